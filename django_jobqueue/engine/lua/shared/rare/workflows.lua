-- Functions about workflows. A member is a job whose field `flow` has the workflow's id, the job's
-- number in it, and the number of the step that its end feeds, 0 for none. A step is some members,
-- with numbers in a row, that may run once all that feed it have ended; step 0 begins. A callback's
-- field has the id and its name instead. See notes.lua for what follows from the end of a member.

-- Returns the ids of members with numbers in a row, at most `room`; and the number after them if
-- there are more.
local function members_from(flow, first, last, room)
  local numbers, upto = {}, math.min(last, first + room - 1)
  for number = first, upto do numbers[#numbers + 1] = int(number) end
  local ids = #numbers > 0 and call_or_false('HMGET', key('workflow-members', flow),
    unpack(numbers))
  return ids or {}, upto < last and int(upto + 1)
end

-- Returns the numbers of the first and the last member of a step; 1 and 0 if it has none.
local function members_of_step(flow, step)
  local bounds = hash_fields(key('workflow-steps', flow), step)
  local first, last = string.match(bounds or '1 0', '^(%d+) (%d+)$')
  return tonumber(first), tonumber(last)
end

-- Notes that something is to be done with all members of a step.
local function note_step(kind, flow, step, extra, t)
  local first, last = members_of_step(flow, step)
  if last >= first then note_flow(kind .. ' ' .. flow .. ' ' .. step .. ' ' .. int(first)
    .. ' ' .. extra, t) end
end

-- Returns how many members that feed a step have ended otherwise than with success.
local function failed_before(flow, step)
  return call_or_false('ZCOUNT', key('workflow-failed', flow), step, step) or 0
end

-- Returns how many members that feed a step have not ended.
local function open_before(flow, step)
  return call_or_false('ZCOUNT', key('workflow-open', flow), step, step) or 0
end

-- Queues a member, or a callback, that waits for its parents.
local function release_member(id, t)
  local state, queue, priority, parked, fair =
    fields_of(id, 'state', 'queue', 'priority', 'parked', 'fair')
  if not queue or parked then return end
  if state == 'waiting' then to_queued(id, queue, t, new_score(queue, priority, fair)) end
  call('ZREM', key('waiting', queue), id)
end

-- Lets a member, or a callback, wait again that was cancelled because it could not be called.
local function restage_member(id, t)
  local state, reason, queue, priority, flow =
    fields_of(id, 'state', 'reason', 'queue', 'priority', 'flow')
  if queue and state == 'waiting' then
    call('ZREM', key('cancelled', queue), id)
    drop_ended(id)
  end
  local is_stopped = reason == 'not_called' or string.sub(reason or '', 1, 7) == 'parent:'
  if state ~= 'cancelled' or not is_stopped then return end
  local name, number, feeds = string.match(flow or '', '^(%S+) (%d+) (%d+)$')
  if number then
    add_to_set(key('workflow-open', name), feeds, number)
    call_or_false('ZREM', key('workflow-failed', name), number)
    if feeds ~= '0' and failed_before(name, feeds) == 0 then
      note_step('restage', name, feeds, '-', t)
    end
  end
  to_waiting(id, queue, new_plain_score(priority), 'reason', '', 'finished_at', '')
  call('ZREM', key('cancelled', queue), id)
  drop_ended(id)
  call('HDEL', key('job', id), 'reason', 'finished_at')
end

-- Cancels a member, or a callback, that waits for its parents; again, if that broke.
local function stop_member(id, reason, t)
  local state = field_of(id, 'state')
  if state == 'waiting' or state == 'cancelled' then cancel_job(id, reason, t) end
end

local function callbacks() return {'on_success', 'on_failure', 'on_done'} end

-- Ends a workflow of which no member is left, and queues its callbacks.
local function end_workflow(flow, t)
  local record, members = key('workflow', flow), key('workflow-members', flow)
  local state, cancel = hash_fields(record, 'state', 'cancel')
  if state ~= 'running' or (call_or_false('ZCARD', key('workflow-open', flow)) or 0) > 0 then
    return
  end
  local failed = call_or_false('ZCARD', key('workflow-failed', flow)) or 0
  local ended = failed == 0 and 'succeeded' or cancel and 'cancelled' or 'failed'
  local called = {on_done = true, on_success = ended == 'succeeded', on_failure = ended == 'failed'}
  for _, name in ipairs(callbacks()) do
    local id = hash_fields(members, name)
    if id and called[name] then release_member(id, t)
    elseif id then stop_member(id, 'not_called', t) end
  end
  note_look(flow, t + (hash_fields(record, 'keep') or DAY))
  call('HSET', record, 'state', ended, 'ended_at', t)
end

-- Keeps the result of a member, which its worker has signed, for its children.
local function pass_on(flow, signed, result)
  local name, number = string.match(flow, '^(%S+) (%d+) %d+$')
  if not name or signed == '' or call('EXISTS', key('workflow', name)) == 0 then return end
  local results, value = key('workflow-results', name), signed .. '.'
    .. (result ~= '' and result or 'null')
  if call_or_false('HSET', results, number, value) then return end
  call('UNLINK', results)
  call('HSET', results, number, value)
end

-- Drops the result of an earlier run of a member, because it does not succeed this time.
local function drop_result(flow)
  local name, number = string.match(flow, '^(%S+) (%d+)')
  if number then call_or_false('HDEL', key('workflow-results', name), number) end
end

-- Returns what keeps a final member, or a callback, from running again: 'unsealed' if its workflow
-- was not stored whole, the id of a parent that did not succeed, 'open' if it is to wait; else
-- false.
local function bar_of(flow, step)
  local name, number = string.match(flow, '^(%S+) (%S+)')
  local state, if_failed, unsealed =
    hash_fields(key('workflow', name or '-'), 'state', 'if_failed', 'unsealed')
  if state == 'staged' or unsealed then return 'unsealed' end
  if not tonumber(number) then return state == 'running' and 'open' end
  if not step then return false end
  local failed = if_failed ~= 'continue' and unpack(call_or_false('ZRANGEBYSCORE',
    key('workflow-failed', name), step, step, 'LIMIT', '0', '1') or {})
  local parent = failed and hash_fields(key('workflow-members', name), failed)
  if parent then return string.match(field_of(parent, 'reason') or '', '^parent:(.*)') or parent end
  return open_before(name, step) > 0 and 'open'
end

-- Notes that a member that has ended is about to run again.
local function note_again(id, flow, t)
  if string.find(flow, '^%S+ %d+ %d+$') then note_flow('again ' .. flow .. ' ' .. id, t) end
end
