-- Give a job other arguments, unless it runs, or has others than those that were read.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   id     id of the job
--   old    its payload as it was read
--   new    the payload that it gets
-- Returns: {state, '1' if it has the new payload now or ''}; {} if there is no such job; error
--     DETACHED
-- Atomic: a claim in between would run the old arguments

local state, small = fields_of(id, 'state', 'payload')
if not state then return {} end
local held = small or call_or_false('GET', key('payload', id))
if held ~= new and (state == 'running' or held ~= old) then return {state, ''} end
-- A field of the record counts before the key, so it is written first and removed last.
if #new <= SMALL_PAYLOAD then
  call('HSET', key('job', id), 'payload', new)
  call('UNLINK', key('payload', id))
else
  call('SET', key('payload', id), new)
  call('HDEL', key('job', id), 'payload')
end
return {state, '1'}
