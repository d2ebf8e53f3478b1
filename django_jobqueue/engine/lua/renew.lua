-- Extend the leases of all jobs that a worker's slots hold, and show that it lives.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker   id of the worker
--   lease    ms
--   info...  fields and values of the worker's record
-- Returns: per busy slot: slot, job id, fence, and held, lost or cancel (held, but to be ended)
-- Atomic: a lease could be given back to a run that was reaped in between

allow_at_maxmemory()
local t = now()
call('ZADD', P .. 'workers', t, worker)
call('HSET', key('worker', worker), 'seen_at', t, unpack(info))
local answer = {}
local slots = call('HGETALL', key('slots', worker))
for at = 1, #slots, 2 do
  local _, queue, id, fence = string.match(slots[at + 1], '^(%S+) (%S+) (%S+) (%S+)')
  if id then
    local job = fields_of(id, 'state', 'fence', 'cancel')
    local what = 'lost'
    if job[1] == 'running' and job[2] == fence then
      call('ZADD', key('leases', queue), t + lease, id)
      what = job[3] and 'cancel' or 'held'
    end
    for _, word in ipairs({slots[at], id, fence, what}) do
      answer[#answer + 1] = word
    end
  end
end
return answer
