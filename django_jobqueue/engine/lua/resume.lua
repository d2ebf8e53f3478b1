-- Allow claims from a paused queue.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   queue        name
-- Returns: 1 if the queue was paused; error DETACHED
-- Atomic: idle slots would sleep on without the tokens

if not is_attached(epoch) then return detached() end
allow_at_maxmemory()
local resumed = call('SREM', P .. 'paused', queue)
if resumed == 1 then wake(queue, 64) end
return resumed
