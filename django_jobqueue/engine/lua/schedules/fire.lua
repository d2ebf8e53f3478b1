-- Store the job of a schedule for a nominal time, unless that time was handled before.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   name     name of the schedule
--   rule     digest of the rule that yields the time
--   nominal  nominal time, ms
--   overlap  skip: store nothing while the schedule's last job is not final; or allow
--   job...   as in enqueue
-- Returns: {fired, when the job was stored, in ms}; {known} if the time was handled before, or the
--     rule is not in use; {overlap} if the time was skipped; error DETACHED
-- Atomic: two schedulers could store two jobs, or a scheduler that crashes none

local t = now()
local id, queue = unpack(job)
local stored = field_of(id, 'enqueued_at')
if stored then return {'fired', stored} end
local since, last_job = since_of(name, rule)
if not since or tonumber(nominal) <= since then return {'known'} end
local schedule_key = key('schedule', name)
if overlap == 'skip' and last_job and is_open(last_job) then
  call('HSET', schedule_key, 'high_water', nominal)
  call('HINCRBY', schedule_key, 'overlapped', '1')
  return {'overlap'}
end
local claimable = store(t, unpack(job))
call('HSET', schedule_key, 'high_water', nominal, 'nominal', nominal, 'fired_at', t, 'job', id)
call('HINCRBY', schedule_key, 'fired', '1')
count_and_wake(queue, 1, claimable, t)
return {'fired', t}
