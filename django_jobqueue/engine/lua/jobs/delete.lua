-- Remove a job that is not running, with all its keys.
-- Moves: any state but running -> nothing; waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   id     id of the job
-- Returns: {state before, 'running' if it stays or ''}; {} if there is no such job; error DETACHED
-- Atomic: a claim in between would run a job without its arguments

local state, queue, task, round, tags, limits =
  fields_of(id, 'state', 'queue', 'task', 'round', 'tags', 'limits')
if not state then return {} end
if state == 'running' then return {state, state} end
if round and not is_final(state) then
  allow_at_maxmemory()
  note_unsettled(id, round, 'cancelled', 'deleted', now())
end
delete_job(id, queue, state, task, tags, limits)
return {state, ''}
