-- Stop claims from a queue; running jobs continue, and new ones are stored.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   queue  name of the queue
--   by     who pauses it, a short text; '' if nobody is to be named
-- Returns: 1 if the queue was not paused before, else 0; error DETACHED
-- Atomic: an enqueue in between could open the queue again

allow_at_maxmemory()
local meta, field = PREFIX .. 'meta', 'paused:' .. queue
if call('HGET', meta, field) then return 0 end
call('ZADD', PREFIX .. 'names', '0', queue)
call('HSET', meta, field, now() .. ' ' .. by)
call('ZREM', PREFIX .. 'work', queue)
return 1
