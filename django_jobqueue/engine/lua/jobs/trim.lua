-- Remove final jobs past their retention.
-- Moves: succeeded, failed, cancelled -> nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   queue  name of the queue
--   state  succeeded, failed or cancelled
--   keep   ms that a job is kept after its finish
--   most   number of jobs that may stay; this bound removes no job finished less than 60 s ago
--   limit  number of jobs that one call removes at most
-- Returns: number of jobs removed, and how many of them before their time, because of `most`; error
--     DETACHED
-- Atomic: an index could name a job whose record is gone

local t = now()
local index = key(state, queue)
local ids = call('ZRANGEBYSCORE', index, '-inf', t - keep, 'LIMIT', 0, limit)
local expired = #ids
local excess = math.min(call('ZCARD', index) - most, tonumber(limit))
if excess > expired then
  ids = call('ZRANGEBYSCORE', index, '-inf', t - math.min(keep, MINUTE), 'LIMIT', 0, excess)
end
for _, id in ipairs(ids) do
  local current, task = fields_of(id, 'state', 'task')
  if current and current ~= state then
    call('ZREM', index, id)
  else
    delete_job(id, queue, state, task)
  end
end
local early = #ids - expired
if early > 0 then
  call('HINCRBY', PREFIX .. 'totals', 'trimmed:' .. state .. ':' .. queue, early)
end
return {#ids, early}
