-- Store a job of a schedule outside its timetable: its times are fired as before.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   name         of the schedule
--   job...       as in enqueue
-- Returns: when the job was stored, in ms; of a known id, when it was first; error DETACHED
-- Atomic: a fire in between would not see that a job is under way

if not is_attached(epoch) then return detached() end
local t = now()
local id, queue, task, priority, due, payload = unpack(job, 1, 6)
local stored = fields_of(id, 'enqueued_at')[1]
if stored then return stored end
local claimable = store(id, queue, task, priority, due, payload, t, unpack(job, 8))
local place = key('schedule', name)
if redis.pcall('HMGET', place, 'job').err then call('UNLINK', place) end -- of the wrong type
call('HSET', place, 'job', id)
call('ZADD', P .. 'schedules', t, name)
announce(queue, 1, claimable, t)
return t
