-- Skip times of a schedule that no scheduler fired in time, and count them.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   name     name of the schedule
--   rule     digest of the rule that yields the times
--   since    ms after which they were counted, as returned by register_schedules
--   nominal  last of the skipped nominal times, ms
--   count    number of skipped times
-- Returns: 1; 0 if a time was handled since then, or the rule is not in use; error DETACHED
-- Atomic: two schedulers could count the same times twice

local wrong = bad_number('since', since, 'nominal', nominal, 'count', count)
if wrong then return wrong end
if since_of(name, rule) ~= tonumber(since) then return 0 end
local schedule_key = key('schedule', name)
call('HSET', schedule_key, 'high_water', nominal, 'missed_at', now())
call('HINCRBY', schedule_key, 'missed', count)
return 1
