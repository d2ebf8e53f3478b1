-- List the commands that the user may not run; without one a script would stop half-way.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   commands...  per command: name, and number of words that it needs after the key, at most 2
-- Returns: {command, ...}
-- Atomic: other clients could see the key on which the commands are tried

local scratch, missing = key('progress', 'acl_missing'), {}
for at = 1, #commands, 2 do
  local words = {'0', '0'}
  local reply = redis.pcall(commands[at], scratch, unpack(words, 1, tonumber(commands[at + 1])))
  local said = type(reply) == 'table' and reply.err or ''
  -- The texts of Redis 7.2 and Valkey, and of older servers. Other errors do not concern rights.
  if string.find(said, 'ACL failure', 1, true) or string.find(said, 'user executing', 1, true) then
    missing[#missing + 1] = commands[at]
  end
  for _, remove in ipairs({'UNLINK', 'DEL'}) do redis.pcall(remove, scratch) end
  redis.pcall('EXPIRE', scratch, '0') -- removes it too, for a user who may run neither
end
return missing
