-- Introduce a process to the server: agree on owner, schema and incarnation.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema       major.minor that the process speaks
--   incarnation  random name, taken if the server has none
--   owners...    tags of the process's signing keys, the newest first
-- Returns: {verdict, schema, incarnation, owner}; verdict is new, known, rotated or foreign
-- Atomic: two first processes could each believe to own the keys

local meta = P .. 'meta'
local stored = call('HMGET', meta, 'schema', 'incarnation', 'owner')
if not stored[3] then
  call('HSET', meta, 'schema', schema, 'incarnation', incarnation, 'owner', owners[1])
  return {'new', schema, incarnation, owners[1]}
end
local verdict = 'foreign'
for position, owner in ipairs(owners) do
  if owner == stored[3] then verdict = position == 1 and 'known' or 'rotated' end
end
if verdict == 'rotated' then
  allow_at_maxmemory()
  call('HSET', meta, 'owner', owners[1])
end
return {verdict, stored[1], stored[2], stored[3]}
