-- Stop claims from a queue; running jobs continue, and new ones are stored.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   queue  name of the queue
-- Returns: 1 if the queue was not paused before, else 0; error DETACHED
-- Atomic: a new queue could be announced before it is paused

allow_at_maxmemory()
if call('SADD', PREFIX .. 'queues', queue) == 1 then wake('*', 1) end
return call('SADD', PREFIX .. 'paused', queue)
