-- Store the job of a schedule for one of its times, unless that time was handled before.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   name         of the schedule
--   rule         digest of the rule that the time is of
--   nominal      the time, ms
--   overlap      skip: not while the job that it stored last is not final; or allow
--   job...       as in enqueue
-- Returns: {fired, when the job was stored, in ms}; {known} if the time was handled before, or
--     the rule is not in use; {overlap} if it was left out now; error DETACHED
-- Atomic: two schedulers would store two jobs, or one that dies none

if not is_attached(epoch) then return detached() end
local t = now()
local id, queue, task, priority, due, payload = unpack(job, 1, 6)
local stored = fields_of(id, 'enqueued_at')[1]
if stored then return {'fired', stored} end
local since, latest = since_of(name, rule)
if not since or tonumber(nominal) <= since then return {'known'} end
local place = key('schedule', name)
if overlap == 'skip' and latest and is_open(latest) then
  call('HSET', place, 'mark', nominal)
  call('HINCRBY', place, 'overlapped', '1')
  return {'overlap'}
end
local claimable = store(id, queue, task, priority, due, payload, t, unpack(job, 8))
call('HSET', place, 'mark', nominal, 'nominal', nominal, 'fired_at', t, 'job', id)
call('HINCRBY', place, 'fired', '1')
announce(queue, 1, claimable, t)
return {'fired', t}
