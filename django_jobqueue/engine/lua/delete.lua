-- Remove a job that is not running, with all that belongs to it.
-- Moves: any state but running -> nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   id           of the job
-- Returns: {the job's state before, 'running' or ''}; {} if there is no such job; error DETACHED
-- Atomic: an index would lead to a record that is gone

if not is_attached(epoch) then return detached() end
local job = fields_of(id, 'state', 'queue', 'task')
local state, queue = job[1], job[2]
if not state then return {} end
if state == 'running' then return {state, state} end
call('ZREM', key(state, queue), id)
if state == 'failed' and job[3] then call('ZREM', key('failed-of', job[3]), id) end
call('UNLINK', key('job', id), key('payload', id), key('result', id), key('attempts', id),
  key('progress', id), key('log', id))
return {state, ''}
