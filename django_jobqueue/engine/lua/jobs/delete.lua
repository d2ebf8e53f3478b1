-- Remove a job that is not running, with all its keys. A durable job stays until its value is in
-- its row.
-- Moves: any state but running -> nothing; waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   id     id of the job
-- Returns: {state before, why it stays: 'running', 'unsettled' or ''}; {} if there is no such job;
--     error DETACHED
-- Atomic: a claim in between would run a job without its arguments

local state, queue, task, round, tags, unique, limits, flow =
  fields_of(id, 'state', 'queue', 'task', 'round', 'tags', 'unique', 'limits', 'flow')
if not state then return {} end
if state == 'running' then return {state, state} end
if is_value_unsettled(id, state, round) then return {state, 'unsettled'} end
if round and not is_final(state) then
  allow_at_maxmemory()
  note_unsettled(id, round, 'cancelled', 'deleted', now())
end
if flow and not is_final(state) then
  allow_at_maxmemory()
  note_member(id, flow, now())
  drop_result(flow)
end
delete_job(id, queue, state, task, tags, unique, limits)
return {state, ''}
