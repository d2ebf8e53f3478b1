-- Pass over times of a schedule that nobody fired in time, and count them.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   name         of the schedule
--   rule         digest of the rule that the times are of
--   since        ms after which they were counted, as look told it
--   nominal      the last of them, ms
--   count        how many
-- Returns: 1, or 0 if a time was handled since that look; error DETACHED
-- Atomic: two schedulers would count them twice

if not is_attached(epoch) then return detached() end
if since_of(name, rule) ~= tonumber(since) then return 0 end
local place = key('schedule', name)
call('HSET', place, 'mark', nominal, 'missed_at', now())
call('HINCRBY', place, 'missed', count)
return 1
