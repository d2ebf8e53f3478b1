-- Introduce a process to the server: agree on owner, schema and epoch.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema           major.minor that the process speaks
--   new_epoch  random name, taken if the server has none
--   known            epoch that the process was attached to before, or ''
--   owners...        tags of the process's signing keys, the newest first
-- Returns: {verdict, schema, epoch, owner, change}; verdict is new, known, rotated or
--   foreign; change is replaced (these are not the keys that the process knew), upgrading or ''
-- Atomic: two first processes could each believe to own the keys

local meta = P .. 'meta'
local stored = call('HMGET', meta, 'schema', 'epoch', 'owner', 'former', 'upgrading')
local owner = stored[3]
local verdict = owner and 'foreign' or 'new'
for position, tag in ipairs(owners) do
  if tag == owner then verdict = position == 1 and 'known' or 'rotated' end
end
local change = stored[5] and 'upgrading' or ''
if verdict ~= 'foreign' then
  if verdict ~= 'new' then allow_at_maxmemory() end
  call('HSET', meta, 'schema', stored[1] or schema, 'epoch', stored[2] or new_epoch,
    'owner', owners[1])
  if known ~= '' and known ~= stored[2] and known ~= stored[4] then
    change = 'replaced'
    note('replaced')
  end
end
return {verdict, stored[1] or schema, stored[2] or new_epoch, owner or owners[1], change}
