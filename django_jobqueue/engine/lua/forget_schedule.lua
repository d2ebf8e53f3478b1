-- Remove what is known of a schedule that is no more, of those and of schedulers not seen for long.
-- Moves: nothing; the jobs that a schedule stored stay
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   name         of the schedule that is no more, or ''
--   unseen       ms; schedules that nobody looked at for so long are removed too
--   gone         ms; schedulers not seen for so long are removed too, but the last one
-- Returns: number of schedules removed; error DETACHED
-- Atomic: one that comes back in between would lose its record

if not is_attached(epoch) then return detached() end
local t = now()
local names = call('ZRANGEBYSCORE', P .. 'schedules', '-inf', t - unseen, 'LIMIT', 0, 100)
if name ~= '' then names[#names + 1] = name end
for _, each in ipairs(names) do
  call('ZREM', P .. 'schedules', each)
  call('UNLINK', key('schedule', each))
end
local schedulers = call('ZRANGEBYSCORE', P .. 'schedulers', '-inf', t - gone, 'LIMIT', 0, 100)
if #schedulers == call('ZCARD', P .. 'schedulers') then schedulers[#schedulers] = nil end
for _, each in ipairs(schedulers) do call('ZREM', P .. 'schedulers', each) end
return #names
