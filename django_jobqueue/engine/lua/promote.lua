-- Make due jobs claimable.
-- Moves: scheduled -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   limit      most jobs of a queue in this call
--   queues...  names
-- Returns: number of jobs moved
-- Atomic: the job would stand in no index, or in two

local t = now()
local total = 0
for _, queue in ipairs(queues) do
  local moved = promote_due(queue, t, limit)
  if moved > 0 then wake(queue, moved) end
  total = total + moved
end
return total
