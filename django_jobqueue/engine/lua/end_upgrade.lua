-- Open the keys to all processes that speak their new schema.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema  major.minor that all jobs have now
-- Returns: 1 if an upgrade was under way
-- Atomic: a process of the old schema could attach between the two writes

allow_at_maxmemory()
call('HSET', P .. 'meta', 'schema', schema)
return call('HDEL', P .. 'meta', 'upgrading')
