-- Set a durable job that does not run to the state in which its row in the database is final.
-- Moves: scheduled, queued, waiting -> succeeded, failed, cancelled;
--   succeeded, failed, cancelled -> another of them; waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   id      id of the job
--   round   that of the row; a job of another one is left as it is
--   state   succeeded, failed or cancelled
--   result  JSON, or '' for null
--   reason  short code, or ''
-- Returns: {state before, state now}; {} if there is no such job; error DETACHED
-- Atomic: a claim in between would run a job that has ended

local wrong = bad_number('round', round)
  or not is_final(state) and bad_argument('state', state, 'succeeded, failed or cancelled')
if wrong then return wrong end
local before, queue, task, known, attempts, unique, parked =
  fields_of(id, 'state', 'queue', 'task', 'round', 'attempts', 'unique', 'parked')
if not before then return {} end
if known ~= round or before == 'running' then return {before, before} end
allow_at_maxmemory()
if before == state then
  leave_other_indexes(id, queue, state, task)
  if parked then leave_key(id, parked, now()) end
  return {before, before}
end
local t = now()
if result ~= '' then call('SET', key('result', id), result)
else call('UNLINK', key('result', id)) end
-- Without the field, a success would count as that of a first run.
to_final(id, queue, state, t, 'reason', reason, 'attempts', attempts or '1')
if unique then leave_lock(id, unique) end
leave_index(id, queue, before, task)
if parked then leave_key(id, parked, t) end
if not is_final(before) then note_ended(id, t) end
return {before, state}
