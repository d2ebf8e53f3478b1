-- Allow claims from a paused queue.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   queue  name of the queue
-- Returns: 1 if the queue was paused, else 0; error DETACHED
-- Atomic: a job stored in between could be overlooked

allow_at_maxmemory()
local meta, field = PREFIX .. 'meta', 'paused:' .. queue
if not call('HGET', meta, field) then return 0 end
call('HDEL', meta, field)
if call('ZCARD', key('queued', queue)) > 0 then note_work(queue, now()) end
return 1
