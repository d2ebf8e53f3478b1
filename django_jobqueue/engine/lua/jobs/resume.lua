-- Allow claims from a paused queue.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   queue  name of the queue
-- Returns: 1 if the queue was paused, else 0; error DETACHED
-- Atomic: idle slots would not be woken after a crash in between

allow_at_maxmemory()
local resumed = call('SREM', PREFIX .. 'paused', queue)
if resumed == 1 then wake(queue, MAX_WAKE_TOKENS) end
return resumed
