-- List the queues.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV: none
-- Returns: names of all queues ever used
-- Atomic: one read

return call('SMEMBERS', PREFIX .. 'queues')
