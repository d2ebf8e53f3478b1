-- Run a final job again from the start, or a scheduled one now.
-- Moves: succeeded, failed, cancelled, scheduled -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   id     id of the job
--   nonce  random name of this call; a repeated call has the same one, and changes nothing
-- Returns: {state before, state now}; {} if there is no such job; error DETACHED
-- Atomic: else a job could be in no index, or in two

local state, queue, task, priority, requeued =
  fields_of(id, 'state', 'queue', 'task', 'priority', 'requeued')
if not state then return {} end
if state == 'queued' or state == 'running' or state == 'waiting' then return {state, state} end
if requeued == nonce then return {state, state} end -- a repeated call
leave_index(id, queue, state, task)
if state ~= 'scheduled' then
  local t = now()
  call('UNLINK', key('result', id), key('progress', id))
  call('HDEL', key('job', id), 'attempts', 'recoveries', 'reason', 'finished_at', 'started_at',
    'attempted_at', 'held_since', 'cancel')
  append_attempt(id, 0, nil, nil, t, t, 'requeued', '-')
end
to_queued(id, queue, next_score(priority), 'requeued', nonce)
wake(queue, 1)
return {state, 'queued'}
