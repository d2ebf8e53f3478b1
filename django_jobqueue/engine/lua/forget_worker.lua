-- Remove a worker that has ended, or workers not seen for long that hold no run any more.
-- Moves: nothing; the jobs of a lost worker are reaped by their leases
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker  id of the worker that has ended, or ''
--   unseen  ms; workers not seen for so long are removed too, but one that holds a run
-- Returns: number of workers removed
-- Atomic: a worker that comes back in between would lose its record

-- A run that nobody took back yet may be under way: its worker was cut off, or all were, and the
-- slots name the leases that it will renew.
local function holds_a_run(id)
  local slots = try('HGETALL', key('slots', id)) or {}
  for at = 2, #slots, 2 do
    local job, fence = string.match(slots[at], '^%S+ %S+ (%S+) (%S+)')
    local found = job and fields_of(job, 'state', 'fence') or {}
    if found[1] == 'running' and found[2] == fence then return true end
  end
  return false
end

local gone = worker ~= '' and {worker} or {}
local unseen_ids = call('ZRANGEBYSCORE', P .. 'workers', '-inf', now() - unseen, 'LIMIT', 0, 100)
for _, id in ipairs(unseen_ids) do
  if id ~= worker and not holds_a_run(id) then gone[#gone + 1] = id end
end
for _, id in ipairs(gone) do
  call('ZREM', P .. 'workers', id)
  call('UNLINK', key('worker', id), key('slots', id), key('call', id))
end
return #gone
