-- Store a job of a schedule outside its timetable; its nominal times are fired as before.
-- Moves: nothing -> queued, scheduled, waiting (its key has waiting jobs);
--   scheduled, queued, waiting -> cancelled (older jobs of its key); waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   name    name of the schedule
--   job...  as in enqueue
-- Returns: when the job was stored, in ms; for a known id, when it was stored first; if another one
--     holds its lock, what enqueue returns then; error DETACHED
-- Atomic: a fire in between would not see that a job of the schedule is not final

local wrong = bad_job(job) or bad_word('name', name)
if wrong then return wrong end
local t = now()
local id = unpack(job)
local is_known = field_of(id, 'state')
local stored = unpack(store_jobs(job, t))
local schedule_key = key('schedule', name)
ensure_hash(schedule_key)
local _, holder = string.match(stored, '^(%d+) (%S+)')
if not is_known or not call('HGET', schedule_key, 'job') then
  call('ZADD', PREFIX .. 'schedules', t, name)
  call('HSET', schedule_key, 'job', holder or id)
end
return stored
