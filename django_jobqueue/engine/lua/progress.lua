-- Note how far a run has come.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id        of the job
--   fence     of the run
--   progress  current, total and text, joined by spaces
-- Returns: 1, or 0 if the run lost its lease
-- Atomic: a run that lost its lease would overwrite its successor's progress

local job = fields_of(id, 'state', 'fence')
if job[1] ~= 'running' or job[2] ~= fence then return 0 end
call('SET', key('progress', id), progress)
return 1
