-- Recover jobs whose lease ended without renewal: worker/maintenance.py calls this. The job of a
-- process whose worker still runs is recovered at once: see release_slot.
-- Moves: running -> queued (with its old score), running -> failed (recovered too often),
--   running -> cancelled (a cancel was requested)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to
--   limit      number of jobs that one call recovers at most
--   interval   ms between calls; after a gap of three, no worker could renew, so the reaper waits
--   grace      ms that it then waits, at most once per ten leases
--   lease      ms
--   queues...  names of the queues
-- Returns: {job id, state now, ...}; error DETACHED
-- Atomic: else a job could be reaped while its run is being finished

allow_at_maxmemory()
local t = now()
local meta = PREFIX .. 'meta'
local reaped_at, reap_after = hash_fields(meta, 'reaped_at', 'reap_after')
reaped_at, reap_after = tonumber(reaped_at) or 0, tonumber(reap_after) or 0
call('HSET', meta, 'reaped_at', t)
local away = reaped_at > 0 and math.abs(t - reaped_at) > 3 * interval
if away and math.abs(t - reap_after) > 10 * lease then
  call('HSET', meta, 'reap_after', t + grace)
  return {}
end
if tonumber(t) < reap_after and reap_after - t <= tonumber(grace) then return {} end
local answer = {}
for _, queue in ipairs(queues) do
  local index = key('leases', queue)
  local room = limit - #answer / 2
  if room <= 0 then break end
  for _, id in ipairs(call('ZRANGEBYSCORE', index, '-inf', t, 'LIMIT', 0, room)) do
    local state = field_of(id, 'state')
    if state == 'running' then
      state = recover(id, queue, t, 1, 'lost')
    else
      call('ZREM', index, id)
      fail_if_damaged(id, queue, t, state)
    end
    answer[#answer + 1] = id
    answer[#answer + 1] = state or 'failed'
  end
end
return answer
