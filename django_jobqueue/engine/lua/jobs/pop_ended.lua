-- Take jobs that ended without a slot, those first that ended first: the caller tells of them.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   limit  number of jobs that one call takes at most
-- Returns: {id, the job as get_job returns it or {} if it is not final any more, ...}; a repeated
--     call takes the next ones; error DETACHED
-- Atomic: an end could be told twice, or with the state of a later run

local taken = {}
local noted = call_or_false('ZPOPMIN', PREFIX .. 'ended', limit) or {}
for at = 1, #noted, 2 do
  local id = noted[at]
  taken[at] = id
  taken[at + 1] = is_open(id) and {} or whole_job(id)
end
return taken
