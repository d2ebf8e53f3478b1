-- Cancel a job: at once if it has not started, else by telling its worker.
-- Moves: scheduled, queued, waiting -> cancelled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   id           of the job
--   reason       short code
-- Returns: {the job's state before, its state now}; {} if there is no such job; error DETACHED
-- Atomic: a claim in between would run a cancelled job

if not is_attached(epoch) then return detached() end
local job = fields_of(id, 'state', 'queue', 'worker')
local state, queue = job[1], job[2]
if not state then return {} end
if state == 'running' then
  -- It stays with the job: whatever ends this run, no other will follow.
  allow_at_maxmemory()
  call('HSET', key('job', id), 'cancel', reason)
  if job[3] then call('SET', key('call', job[3]), '1') end
  return {state, state}
end
if state ~= 'scheduled' and state ~= 'queued' and state ~= 'waiting' then return {state, state} end
call('ZREM', key(state, queue), id)
final(id, queue, 'cancelled', now(), 'reason', reason)
return {state, 'cancelled'}
