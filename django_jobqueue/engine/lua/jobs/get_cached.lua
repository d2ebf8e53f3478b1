-- Read the cached value of a task, and whether it is being refreshed.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   digest  digest of the task and its arguments
-- Returns: {now, value as JSON or nil, when its run ended in ms or nil, id of the job that was
--     stored last to refresh it or '', 1 if that job is not final, else 0}
-- Atomic: the age of a value could be computed from a later time

local value, at, refresh = hash_fields(key('cached', digest), 'value', 'at', 'refresh')
refresh = refresh or ''
return {now(), value or false, at or false, refresh, is_open(refresh) and 1 or 0}
