-- Attach a process to the keys: agree on owner, schema and epoch.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema     major.minor that the process speaks; stored if the keys have none
--   new_epoch  random name; the epoch if the keys have none
--   known      epoch that the process was attached to before, or ''
--   owners...  tags of the process's signing keys, newest first
-- Returns: {ownership, schema, epoch, owner, change}; ownership is new, known, rotated or
--     foreign; change is replaced (these are not the keys that the process knew) or ''
-- Atomic: two first processes could each believe that they own the keys

local meta = PREFIX .. 'meta'
local stored_schema, stored_epoch, owner, former =
  hash_fields(meta, 'schema', 'epoch', 'owner', 'former')
local ownership = owner and 'foreign' or 'new'
for position, tag in ipairs(owners) do
  if tag == owner then ownership = position == 1 and 'known' or 'rotated' end
end
local schema_now, epoch = stored_schema or schema, stored_epoch or new_epoch
local change = ''
if ownership ~= 'foreign' then
  if ownership ~= 'new' then allow_at_maxmemory() end
  call('HSET', meta, 'schema', schema_now, 'epoch', epoch, 'owner', owners[1])
  if not stored_epoch then note_soonest() end
  if known ~= '' and known ~= stored_epoch and known ~= former then change = 'replaced' end
end
return {ownership, schema_now, epoch, owner or owners[1], change}
