-- Read all data of one job at one instant.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  id of the job
-- Returns: {fields and values, payload unless it is a field, result, progress, attempts, due time,
--     log}; {} if unknown
-- Atomic: a state could be shown with the result of another one

return whole_job(id)
