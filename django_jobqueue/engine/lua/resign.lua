-- Replace the signatures of payloads that are still the ones that were read.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   heads...     per job: id, the head of its payload as it was read (version, signature and the
--                dots after them), and another of the same length to take its place
-- Returns: number of payloads changed; error DETACHED
-- Atomic: a job that was deleted in between would get a payload again

if not is_attached(epoch) then return detached() end
allow_at_maxmemory()
local changed = 0
for at = 1, #heads, 3 do
  local id, old, new = heads[at], heads[at + 1], heads[at + 2]
  local payload = key('payload', id)
  -- The signature speaks for the arguments that follow it: these need not be compared, nor moved.
  if redis.pcall('GETRANGE', payload, 0, #old - 1) == old then
    call('SETRANGE', payload, 0, new)
    changed = changed + 1
  end
end
return changed
