-- Store jobs, each once: a job whose id is known is left as it is.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   jobs...  per job: id, queue, task, priority, due ('' now, ms, or '+' and ms from now),
--            payload, number of further words, then these: field, value, ...
-- Returns: when each job was stored, in ms; for a known id, when it first was; error DETACHED
-- Atomic: a crash in between would leave a record that no index names

local t = now()
local stored, added, claimable = {}, {}, {}
local at = 1
while jobs[at] do
  local id, queue, after = jobs[at], jobs[at + 1], at + 7 + jobs[at + 6]
  local known = field_of(id, 'enqueued_at')
  if not known then
    claimable[queue] = (claimable[queue] or 0) + store(t, unpack(jobs, at, after - 1))
    added[queue] = (added[queue] or 0) + 1
  end
  stored[#stored + 1] = known or t
  at = after
end
for queue, n in pairs(added) do count_and_wake(queue, n, claimable[queue], t) end
return stored
