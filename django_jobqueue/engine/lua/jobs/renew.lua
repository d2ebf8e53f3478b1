-- Extend the leases of all jobs that a worker's slots hold, and record that it is alive.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker   id of the worker
--   lease    ms
--   info...  fields and values of the worker's record, in pairs: host, pid, queues and so on
-- Returns: per busy slot: slot, job id, fence, and held, lost or cancel (held, but to be ended);
--     per word that the worker is told (see tell_worker): '', '', the word, told
-- Atomic: a run that was reaped in between could get its lease back

local wrong = bad_number('lease', lease) or bad_word('worker', worker)
  or #info % 2 > 0 and bad_argument('info', info[#info], 'fields and values in pairs')
if wrong then return wrong end
allow_at_maxmemory()
local t = now()
call('ZADD', PREFIX .. 'workers', t, worker)
call('HSET', key('worker', worker), 'seen_at', t, 'lease', lease, unpack(info))
local answer = {}
local slots = call('HGETALL', key('slots', worker))
for at = 1, #slots, 2 do
  local slot, _, queue, id, fence = slots[at], slot_entry(slots[at + 1])
  if id then
    local what = 'lost'
    if runs_under(id, fence) then
      call('ZADD', key('leases', queue), int(t + lease), id)
      what = (field_of(id, 'cancel') or '') ~= '' and 'cancel' or 'held'
    end
    for _, word in ipairs({slot, id, fence, what}) do answer[#answer + 1] = word end
  end
end
local told, stacks = hash_fields(key('worker', worker), 'told', 'stacks')
for _, word in ipairs({told or '', stacks and 'stacks' or ''}) do
  if word ~= '' then
    for _, each in ipairs({'', '', word, 'told'}) do answer[#answer + 1] = each end
  end
end
if stacks then call('HDEL', key('worker', worker), 'stacks') end
return answer
