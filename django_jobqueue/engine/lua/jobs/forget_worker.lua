-- Remove a worker that has ended, and workers long unseen that hold no run.
-- Moves: nothing; the jobs of a lost worker are reaped when their leases end
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker  id of the worker that has ended, or ''
--   unseen  ms; workers unseen for this long are removed too, unless they hold a run
-- Returns: number of workers removed
-- Atomic: a worker that returns in between would lose its record

-- A run that was not reaped may still be under way: when a worker that was cut off returns, it
-- needs the entries of its slots to renew their leases.
local function holds_a_run(worker_id)
  local slots = call_or_false('HGETALL', key('slots', worker_id)) or {}
  for at = 2, #slots, 2 do
    local _, _, id, fence = slot_entry(slots[at])
    if id and runs_under(id, fence) then return true end
  end
  return false
end

local wrong = bad_number('unseen', unseen)
if wrong then return wrong end
local workers = PREFIX .. 'workers'
local gone = worker ~= '' and {worker} or {}
local silent = call('ZRANGEBYSCORE', workers, '-inf', now() - unseen, 'LIMIT', 0, MAX_FORGOTTEN)
for _, id in ipairs(silent) do
  if id ~= worker and not holds_a_run(id) then gone[#gone + 1] = id end
end
for _, id in ipairs(gone) do
  call('ZREM', workers, id)
  call('UNLINK', key('worker', id), key('slots', id), key('renew_now', id),
    key('stacks', id))
end
return #gone
