-- Stop claims from a queue; jobs that run go on, new ones are stored.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   queue        name
-- Returns: 1 if the queue was not paused before; error DETACHED
-- Atomic: one write

if not is_attached(epoch) then return detached() end
allow_at_maxmemory()
if call('SADD', P .. 'queues', queue) == 1 then wake('*', 1) end
return call('SADD', P .. 'paused', queue)
