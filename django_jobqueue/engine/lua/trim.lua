-- Remove final jobs past their retention.
-- Moves: succeeded, failed, cancelled -> nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   queue        name
--   state        succeeded, failed or cancelled
--   keep         ms since the job finished
--   most         how many jobs may stay; one finished less than 60 s ago always stays
--   limit        most jobs of this call
-- Returns: number of jobs removed; error DETACHED
-- Atomic: an index would lead to a record that is gone

if not is_attached(epoch) then return detached() end
local t = now()
local index = key(state, queue)
local ids = call('ZRANGEBYSCORE', index, '-inf', t - keep, 'LIMIT', 0, limit)
local excess = math.min(call('ZCARD', index) - most, tonumber(limit))
if excess > #ids then
  ids = call('ZRANGEBYSCORE', index, '-inf', t - math.min(keep, 60000), 'LIMIT', 0, excess)
end
for _, id in ipairs(ids) do
  call('ZREM', index, id)
  local job = fields_of(id, 'state', 'task')
  if job[1] and job[1] ~= state then
    note('ghost')
  else
    if state == 'failed' and job[2] then call('ZREM', key('failed-of', job[2]), id) end
    call('UNLINK', key('job', id), key('payload', id), key('result', id), key('attempts', id),
      key('progress', id), key('log', id))
  end
end
return #ids
