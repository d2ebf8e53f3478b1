-- Add a line to the log of a run's job.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id     of the job
--   fence  of the run
--   nonce  random name of this line; the same again is the same line
--   text   of the line
--   most   lines that stay, the newest
-- Returns: 1, or 0 if the run lost its lease
-- Atomic: a run that lost its lease would write among its successor's lines

local job = fields_of(id, 'state', 'fence', 'logged')
if job[1] ~= 'running' or job[2] ~= fence then return 0 end
if job[3] == nonce then return 1 end
local lines = key('log', id)
if call('RPUSH', lines, now() .. ' ' .. text) > tonumber(most) then
  call('LTRIM', lines, -most, -1)
end
call('HSET', key('job', id), 'logged', nonce)
return 1
