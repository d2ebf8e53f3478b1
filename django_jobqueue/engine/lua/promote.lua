-- Make due jobs claimable.
-- Moves: scheduled -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   limit        most jobs of this call
--   queues...    names
-- Returns: number of jobs moved; error DETACHED
-- Atomic: the job would stand in no index, or in two

if not is_attached(epoch) then return detached() end
local t = now()
local total = 0
for _, queue in ipairs(queues) do
  if total >= tonumber(limit) then break end
  total = total + promote_due(queue, t, limit - total)
end
return total
