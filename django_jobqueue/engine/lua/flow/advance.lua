-- Go on with workflows: follow what is noted, and look at those whose time has come.
-- Moves: waiting -> queued; scheduled, queued, waiting -> cancelled; cancelled -> waiting
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   limit  number of members that one call moves at most
-- Returns: number of notes and workflows that are left to look at; error DETACHED
-- Atomic: two calls could follow one note

local wrong = bad_number('limit', limit)
if wrong then return wrong end
allow_at_maxmemory()
local t = now()
look_at_workflows(t)
local left = follow_notes(tonumber(limit), t)
return left + (call_or_false('ZCOUNT', PREFIX .. 'workflows', '-inf', t) or 0)
