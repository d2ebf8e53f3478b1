-- Read the latest value of a task, and whether it is being refreshed.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   digest  of the task and its arguments
-- Returns: {now, value as JSON or nil, when its run ended in ms or nil, id of the job that was
--     stored to refresh it last or '', 1 if that is not final}
-- Atomic: an old value would be judged by a later time

local kept = try('HMGET', key('latest', digest), 'value', 'at', 'refresh') or {}
local refresh = kept[3] or ''
return {now(), kept[1] or false, kept[2] or false, refresh, is_open(refresh) and 1 or 0}
