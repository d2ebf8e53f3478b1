-- Extend the leases of all jobs that a worker's slots hold, and show that it lives.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker   id of the worker
--   lease    ms
--   info...  fields and values of the worker's record
-- Returns: {incarnation or '', then per busy slot: slot, job id, fence, held or lost}
-- Atomic: a lease could be given back to a run that was reaped in between

allow_at_maxmemory()
local t = now()
call('ZADD', P .. 'workers', t, worker)
call('HSET', key('worker', worker), 'seen_at', t, unpack(info))
local answer = {call('HGET', P .. 'meta', 'incarnation') or ''}
local slots = call('HGETALL', key('slots', worker))
for at = 1, #slots, 2 do
  local _, queue, id, fence = string.match(slots[at + 1], '^(%S+) (%S+) (%S+) (%S+)$')
  local job = fields_of(id, 'state', 'fence')
  local held = job[1] == 'running' and job[2] == fence
  if held then call('ZADD', key('leases', queue), t + lease, id) end
  for _, word in ipairs({slots[at], id, fence, held and 'held' or 'lost'}) do
    answer[#answer + 1] = word
  end
end
return answer
