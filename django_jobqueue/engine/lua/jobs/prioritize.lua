-- Give a job that is queued or scheduled another priority; a queued one gets the last place of it.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   id        id of the job
--   priority  -100 to 100
-- Returns: {state, '1' if it has the priority now or ''}; {} if there is no such job; error
--     DETACHED
-- Atomic: a claim in between would leave a running job among the queued ones

local wrong = bad_number('priority', priority)
if not wrong and math.abs(priority) > MAX_PRIORITY then
  wrong = bad_argument('priority', priority, 'a whole number from -100 to 100')
end
if wrong then return wrong end
local state, queue, known, fair = fields_of(id, 'state', 'queue', 'priority', 'fair')
if not state then return {} end
if state ~= 'queued' and state ~= 'scheduled' then return {state, ''} end
if tonumber(known or '0') == tonumber(priority) then return {state, '1'} end
allow_at_maxmemory()
if state == 'queued' then
  call('ZADD', key('queued', queue), new_score(queue, priority, fair), id)
end
call('HSET', key('job', id), 'priority', priority)
return {state, '1'}
