-- Close the keys to all but runs under way, until all jobs have another major schema.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   schema           major.minor that the keys are to have
--   new_epoch  new name of the keys: all processes have to attach anew, and can't
-- Returns: ms since the upgrade began; it is not begun again while it is under way
-- Atomic: a process could attach between the two names

local t = now()
local meta = P .. 'meta'
local stored = call('HMGET', meta, 'upgrading', 'epoch')
local began = string.match(stored[1] or '', '^%S+ (%d+)$')
if not began then
  allow_at_maxmemory()
  call('HSET', meta, 'upgrading', schema .. ' ' .. t, 'epoch', new_epoch,
    'former', stored[2] or '')
end
return string.format('%.0f', t - (began or t))
