-- Tell which commands the user may not run: a script that lacks one would stop half done.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   commands...  each with the number of words that it needs after the key, at most 2
-- Returns: {command, ...}
-- Atomic: nobody sees the key that it tries them on

local scratch, refused = key('progress', 'rights'), {}
for at = 1, #commands, 2 do
  local words = {'0', '0'}
  local reply = redis.pcall(commands[at], scratch, unpack(words, 1, tonumber(commands[at + 1])))
  local said = type(reply) == 'table' and reply.err or ''
  -- As Redis 7.2 and Valkey say it, and as older ones do. Other errors are no matter of rights.
  if string.find(said, 'ACL failure', 1, true) or string.find(said, 'user executing', 1, true) then
    refused[#refused + 1] = commands[at]
  end
  for _, remove in ipairs({'UNLINK', 'DEL'}) do redis.pcall(remove, scratch) end
end
return refused
