-- Store the job of a schedule for a nominal time, unless that time was handled before.
-- Moves: nothing -> queued, scheduled, waiting (its key has waiting jobs);
--   scheduled, queued, waiting -> cancelled (older jobs of its key); waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   name     name of the schedule
--   rule     digest of the rule that yields the time
--   nominal  nominal time, ms
--   overlap  skip: store nothing while the schedule's last job is not final; or allow
--   job...   as in enqueue
-- Returns: {fired, when the job was stored, in ms}; {known} if the time was handled before, or the
--     rule is not in use; {overlap} if the time was skipped, also because another job holds the
--     new one's lock; error DETACHED
-- Atomic: two schedulers could store two jobs, or a scheduler that crashes none

local wrong = bad_job(job) or bad_number('nominal', nominal) or bad_word('name', name, 'rule', rule)
if wrong then return wrong end
if overlap ~= 'skip' and overlap ~= 'allow' then
  return bad_argument('overlap', overlap, 'skip or allow')
end
local t = now()
local id = unpack(job)
local schedule_key = key('schedule', name)
local since, last_job = since_of(name, rule)
if field_of(id, 'state') then
  local stored = unpack(store_jobs(job, t))
  if since and tonumber(nominal) > since then call('HSET', schedule_key, 'high_water', nominal) end
  return {'fired', stored}
end
if not since or tonumber(nominal) <= since then return {'known'} end
-- A call that broke has named its job first. If that one is stored, the time is handled.
local firing = hash_fields(schedule_key, 'firing') or ''
local begun = string.match(firing, '^' .. nominal .. ' (.+)$')
local state = begun and field_of(begun, 'state')
if state then
  complete(begun, state, '', t)
  call('HSET', schedule_key, 'high_water', nominal)
  return {'known'}
end
if overlap == 'skip' and last_job and is_open(last_job) or is_duplicate(job, t) then
  call('HSET', schedule_key, 'high_water', nominal)
  call('HINCRBY', schedule_key, 'overlapped', '1')
  return {'overlap'}
end
call('HSET', schedule_key, 'firing', nominal .. ' ' .. id)
store_jobs(job, t)
call('HSET', schedule_key, 'high_water', nominal, 'nominal', nominal, 'fired_at', t, 'job', id)
call('HINCRBY', schedule_key, 'fired', '1')
return {'fired', t}
