-- Cancel a job: at once if it has not started, else by telling its worker.
-- Moves: scheduled, queued, waiting -> cancelled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   id      id of the job
--   reason  short code
-- Returns: {state before, state now}; {} if there is no such job; error DETACHED
-- Atomic: a claim in between would run a cancelled job

local wrong = bad_word('reason', reason)
if wrong then return wrong end
local t = now()
local state, queue, worker, task, round =
  fields_of(id, 'state', 'queue', 'worker', 'task', 'round')
if not state then return {} end
if state == 'running' then
  -- The field stays with the job: no other run follows, however this one ends.
  allow_at_maxmemory()
  call('HSET', key('job', id), 'cancel', reason)
  if worker then call('SET', key('renew_now', worker), '1') end
  return {state, state}
end
allow_at_maxmemory()
if state == 'cancelled' then leave_other_indexes(id, queue, state, task) end
if is_final(state) then return {state, state} end
if round then note_unsettled(id, round, 'cancelled', reason, t) end
to_final(id, queue, 'cancelled', t, 'reason', reason)
leave_index(id, queue, state)
note_ended(id, t)
return {state, 'cancelled'}
