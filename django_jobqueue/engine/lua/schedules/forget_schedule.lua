-- Remove the record of a deleted schedule, and schedules and schedulers long unseen.
-- Moves: nothing; the jobs that a schedule stored stay
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   name    name of the deleted schedule, or ''
--   unseen  ms; schedules that no scheduler registered for this long are removed too
--   gone    ms; schedulers unseen for this long are removed too, except the one seen last
-- Returns: number of schedules removed; error DETACHED
-- Atomic: a schedule that is registered again in between would lose its record

local wrong = bad_number('unseen', unseen, 'gone', gone)
if wrong then return wrong end
local schedules, schedulers = PREFIX .. 'schedules', PREFIX .. 'schedulers'
local t = now()
local names = call('ZRANGEBYSCORE', schedules, '-inf', t - unseen, 'LIMIT', 0, MAX_FORGOTTEN)
if name ~= '' then names[#names + 1] = name end
for _, each in ipairs(names) do
  call('ZREM', schedules, each)
  call('UNLINK', key('schedule', each))
end
local ids = call('ZRANGEBYSCORE', schedulers, '-inf', t - gone, 'LIMIT', 0, MAX_FORGOTTEN)
if #ids == call('ZCARD', schedulers) then ids[#ids] = nil end
for _, each in ipairs(ids) do call('ZREM', schedulers, each) end
return #names
