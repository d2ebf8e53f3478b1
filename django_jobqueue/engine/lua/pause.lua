-- Stop claims from a queue; jobs that run go on, new ones are stored.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   queue  name
-- Returns: 1 if the queue was not paused before
-- Atomic: one write

allow_at_maxmemory()
if call('SADD', P .. 'queues', queue) == 1 then wake('*', 1) end
return call('SADD', P .. 'paused', queue)
