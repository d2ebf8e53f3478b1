-- Remove a worker that has ended, or ids of workers not seen for long.
-- Moves: nothing; the jobs of a lost worker are reaped by their leases
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker  id of the worker that has ended, or ''
--   unseen  ms; workers not seen for so long are removed too
-- Returns: number of workers removed
-- Atomic: a worker that comes back in between would lose its record

local gone = call('ZRANGEBYSCORE', P .. 'workers', '-inf', now() - unseen, 'LIMIT', 0, 100)
if worker ~= '' then gone[#gone + 1] = worker end
for _, id in ipairs(gone) do
  call('ZREM', P .. 'workers', id)
  call('UNLINK', key('worker', id), key('slots', id), key('call', id))
end
return #gone
