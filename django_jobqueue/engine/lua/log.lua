-- Add a line to the log of a run's job.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id     of the job
--   fence  of the run
--   text   of the line
--   most   lines that stay, the newest
-- Returns: 1, or 0 if the run lost its lease
-- Atomic: a run that lost its lease would write among its successor's lines

local job = fields_of(id, 'state', 'fence')
if job[1] ~= 'running' or job[2] ~= fence then return 0 end
local lines = key('log', id)
if call('RPUSH', lines, now() .. ' ' .. text) > tonumber(most) then
  call('LTRIM', lines, -most, -1)
end
return 1
