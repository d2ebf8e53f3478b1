-- Read all of one job at one instant.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  of the job
-- Returns: {fields and values, payload, result, progress, attempts, due time}; {} if unknown
-- Atomic: a state could be shown with the result of another

local job = call('HGETALL', key('job', id))
if not job[1] then return {} end
local place = call('HMGET', key('job', id), 'state', 'queue')
local due = place[1] == 'scheduled' and call('ZSCORE', key('scheduled', place[2]), id)
return {job, call('GET', key('payload', id)), call('GET', key('result', id)),
  call('GET', key('progress', id)), call('LRANGE', key('attempts', id), 0, -1), due}
