-- Store jobs, each once: an id that is known is left as it is.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   jobs...      per job: id, queue, task, priority, due ('' now, ms, or '+' and ms from now),
--                payload, number of further values, then these: field, value, ...
-- Returns: when each job was stored, in ms; of a known id, when it was first; error DETACHED
-- Atomic: a crash in between would leave a record that no index leads to

if not is_attached(epoch) then return detached() end
local t = now()
local stored, added, claimable = {}, {}, {}
local at = 1
while jobs[at] do
  local id, queue, task, priority, due, payload = unpack(jobs, at, at + 5)
  local more = at + 7 + jobs[at + 6]
  local known = fields_of(id, 'enqueued_at')[1]
  if not known then
    claimable[queue] = (claimable[queue] or 0)
      + store(id, queue, task, priority, due, payload, t, unpack(jobs, at + 7, more - 1))
    added[queue] = (added[queue] or 0) + 1
  end
  stored[#stored + 1] = known or t
  at = more
end
for queue, n in pairs(added) do announce(queue, n, claimable[queue], t) end
return stored
