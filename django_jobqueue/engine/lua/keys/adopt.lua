-- Make the project of a signing key the owner of the keys.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema     major.minor that the process speaks; stored if the keys have none
--   new_epoch  new epoch, unless the owner stays: all processes must attach again, and those of
--              the former owner are refused
--   owner      tag of the project's signing key
-- Returns: tag of the former owner, or ''
-- Atomic: a process could attach between the change of epoch and that of owner

local meta = PREFIX .. 'meta'
local known_schema, epoch, last_owner = hash_fields(meta, 'schema', 'epoch', 'owner')
if last_owner == owner then return owner end
allow_at_maxmemory()
call('HSET', meta, 'schema', known_schema or schema, 'epoch', new_epoch,
  'owner', owner, 'former', epoch or '')
if not epoch then note_soonest() end
return last_owner or ''
