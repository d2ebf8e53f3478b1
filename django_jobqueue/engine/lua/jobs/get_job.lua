-- Read all data of one job, or of the one that stands for it, at one instant.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  id of the job
-- Returns: {fields and values, payload unless it is a field, result, progress, attempts, due time,
--     log, id if it is another one}; {} if unknown
-- Atomic: a state could be shown with the result of another one

local found = whole_job(id)
if unpack(found) then return found end
local other = pointed_to(id)
found = other and whole_job(other) or {}
if unpack(found) then found[#found + 1] = other end
return found
