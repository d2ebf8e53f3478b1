-- Take back jobs whose lease ended without renewal.
-- Moves: running -> queued (to its old place), running -> failed (recovered too often),
--   running -> cancelled (somebody wanted it)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   limit        most jobs of this call
--   interval     ms between calls; after a gap of three, nobody could renew: the reaper waits
--   grace        ms that it waits then, at most once per ten leases
--   lease        ms
--   queues...    names
-- Returns: {job id, its state now, ...}; error DETACHED
-- Atomic: a job could be reaped while its run is being settled

if not is_attached(epoch) then return detached() end
allow_at_maxmemory()
local t = now()
local meta = P .. 'meta'
local last = call('HMGET', meta, 'reaped_at', 'reap_after')
local reaped_at, reap_after = tonumber(last[1]) or 0, tonumber(last[2]) or 0
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
    local state = fields_of(id, 'state')[1]
    if state == 'running' then
      state = recover(id, queue, t, 1, 'lost')
    else
      call('ZREM', index, id)
      misplaced(id, queue, t, state)
    end
    answer[#answer + 1] = id
    answer[#answer + 1] = state or 'failed'
  end
end
return answer
