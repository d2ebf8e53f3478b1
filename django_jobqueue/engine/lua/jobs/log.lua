-- Add a line to the log of a job.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id     id of the job
--   fence  fence of the run that writes the line
--   nonce  random name of this line; that of the latest line adds nothing
--   text   text of the line
--   most   number of lines that are kept, the newest
-- Returns: 1, or 0 if the run lost its lease
-- Atomic: a run that lost its lease could write among the lines of the next run

local wrong = bad_number('most', most) or bad_word('nonce', nonce)
if wrong then return wrong end
if not runs_under(id, fence) then return 0 end
if field_of(id, 'logged') == nonce then return 1 end
local lines = key('log', id)
if call('RPUSH', lines, now() .. ' ' .. text) > tonumber(most) then
  call('LTRIM', lines, -most, -1)
end
call('HSET', key('job', id), 'logged', nonce)
return 1
