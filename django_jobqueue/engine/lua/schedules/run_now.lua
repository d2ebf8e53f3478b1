-- Store a job of a schedule outside its timetable; its nominal times are fired as before.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   name    name of the schedule
--   job...  as in enqueue
-- Returns: when the job was stored, in ms; for a known id, when it was stored first; error DETACHED
-- Atomic: a fire in between would not see that a job of the schedule is not final

local t = now()
local id, queue = unpack(job)
local stored = field_of(id, 'enqueued_at')
if stored then return stored end
local claimable = store(t, unpack(job))
local schedule_key = key('schedule', name)
ensure_hash(schedule_key)
call('HSET', schedule_key, 'job', id)
call('ZADD', PREFIX .. 'schedules', t, name)
count_and_wake(queue, 1, claimable, t)
return t
