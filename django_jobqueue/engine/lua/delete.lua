-- Remove a job that is not running, with all that belongs to it.
-- Moves: any state but running -> nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  of the job
-- Returns: {the job's state before, 'running' or ''}; {} if there is no such job
-- Atomic: an index would lead to a record that is gone

local job = fields_of(id, 'state', 'queue', 'task')
local state, queue = job[1], job[2]
if not state then return {} end
if state == 'running' then return {state, state} end
call('ZREM', key(state, queue), id)
if state == 'failed' and job[3] then call('ZREM', key('failed-of', job[3]), id) end
call('UNLINK', key('job', id), key('payload', id), key('result', id), key('attempts', id),
  key('progress', id))
return {state, ''}
