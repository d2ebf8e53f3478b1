-- Read all data of one job, or of the one that stands for it, at one instant.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  id of the job
-- Returns: {fields and values, payload unless it is a field, result, progress, attempts, due time,
--     log, id if it is another one}; {} if unknown
-- Atomic: a state could be shown with the result of another one

local found, other = whole_job(id), nil
if not unpack(found) then
  other = pointed_to(id) or nil
  found = other and whole_job(other) or {}
end
if other and unpack(found) then found[#found + 1] = other end
return found
