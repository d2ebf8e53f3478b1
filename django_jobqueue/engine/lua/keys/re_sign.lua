-- Replace the signatures of payloads, unless they have changed since they were read.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   heads...  per job: id, head of its payload as it was read (version, signature and the dots
--             after them), new head of the same length
-- Returns: number of payloads changed; error DETACHED
-- Atomic: a job that was deleted in between would get a payload again

allow_at_maxmemory()
local changed = 0
for at = 1, #heads, 3 do
  local id, old, new = heads[at], heads[at + 1], heads[at + 2]
  local large, small = key('payload', id), field_of(id, 'payload')
  -- The signature covers the arguments that follow it, so they need not be compared or rewritten.
  if small and string.sub(small, 1, #old) == old then
    call('HSET', key('job', id), 'payload', new .. string.sub(small, #old + 1))
    changed = changed + 1
  elseif not small and call_or_false('GETRANGE', large, 0, #old - 1) == old then
    call('SETRANGE', large, 0, new)
    changed = changed + 1
  end
end
return changed
