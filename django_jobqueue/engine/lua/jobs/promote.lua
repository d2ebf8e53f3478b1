-- Make due jobs claimable.
-- Moves: scheduled -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to
--   limit      number of jobs that one call moves at most
--   queues...  names of the queues
-- Returns: number of jobs moved; error DETACHED
-- Atomic: a job could be in no index, or in two

local t = now()
local total = 0
for _, queue in ipairs(queues) do
  if total >= tonumber(limit) then break end
  total = total + promote_due(queue, t, limit - total)
end
return total
