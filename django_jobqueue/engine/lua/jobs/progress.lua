-- Store the progress of a run.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id        id of the job
--   fence     fence of the run
--   progress  current, total and text, joined by spaces
-- Returns: 1, or 0 if the run lost its lease
-- Atomic: a run that lost its lease could overwrite the progress of the next run

if not runs_under(id, fence) then return 0 end
call('SET', key('progress', id), progress)
return 1
