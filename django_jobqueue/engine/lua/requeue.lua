-- Run a final job once more from the start, or a scheduled one now.
-- Moves: succeeded, failed, cancelled, scheduled -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   id           of the job
--   nonce        random name of this call; the same again is the same call
-- Returns: {the job's state before, its state now}; {} if there is no such job; error DETACHED
-- Atomic: the job would stand in no index, or in two

if not is_attached(epoch) then return detached() end
local record_key = key('job', id)
local job = fields_of(id, 'state', 'queue', 'task', 'priority', 'requeued')
local state, queue = job[1], job[2]
if not state then return {} end
if state == 'queued' or state == 'running' or state == 'waiting' then return {state, state} end
if job[5] == nonce then return {state, state} end -- it has run since
call('ZREM', key(state, queue), id)
if state == 'failed' and job[3] then call('ZREM', key('failed-of', job[3]), id) end
if state ~= 'scheduled' then
  local t = now()
  call('UNLINK', key('result', id), key('progress', id))
  call('HDEL', record_key, 'attempts', 'recoveries', 'reason', 'finished_at', 'started_at',
    'attempted_at', 'held_since', 'cancel')
  record(id, 0, nil, nil, t, t, 'requeued', '-')
end
to_queued(id, queue, last_place(job[4]), 'requeued', nonce)
wake(queue, 1)
return {state, 'queued'}
