-- Make the keys belong to this project: to the key with which it signs.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema           major.minor that the process speaks; taken if the keys have none
--   new_epoch  new name of the keys: all processes attach anew, and the former owner's
--                    can't; it stays if the owner does
--   owner            tag of the project's signing key
-- Returns: the former owner, or ''
-- Atomic: a process could attach between the two names

local meta = P .. 'meta'
local stored = call('HMGET', meta, 'schema', 'epoch', 'owner')
if stored[3] == owner then return owner end
allow_at_maxmemory()
call('HSET', meta, 'schema', stored[1] or schema, 'epoch', new_epoch, 'owner', owner,
  'former', stored[2] or '')
return stored[3] or ''
