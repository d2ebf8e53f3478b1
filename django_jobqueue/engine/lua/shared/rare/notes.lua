-- Functions that do what is left to do for workflows. It stands in `workflow-notes`, oldest first:
-- a note is written before what it is about, and goes when all of it is done, so that the next
-- script makes good for one that broke.

-- Looks at a member that has ended: what it feeds goes on, or is stopped.
local function note_end(flow, number, feeds, id, stops, t)
  local state, reason = fields_of(id, 'state', 'reason')
  if state and not is_final(state) then return end
  -- One that was trimmed before anybody looked has left its result.
  if not state and hash_fields(key('workflow-results', flow), number) then state = 'succeeded' end
  if state ~= 'succeeded' then
    add_to_set(key('workflow-failed', flow), feeds, number)
    drop_result(flow .. ' ' .. number)
  end
  call_or_false('ZREM', key('workflow-open', flow), number)
  local failed = stops and failed_before(flow, feeds) or 0
  if feeds == '0' then return end
  if failed == 1 and state ~= 'succeeded' then
    local parent = string.sub(reason or '', 1, 7) == 'parent:' and reason or 'parent:' .. id
    note_step('stop', flow, feeds, parent, t)
  elseif failed == 0 and open_before(flow, feeds) == 0 then
    note_step('release', flow, feeds, '-', t)
  end
end

-- Counts a member again that was requeued, and lets those wait again that its failure has stopped.
local function reopen(flow, number, feeds, id, t)
  local record, members = key('workflow', flow), key('workflow-members', flow)
  add_to_set(key('workflow-open', flow), feeds, number)
  call_or_false('ZREM', key('workflow-failed', flow), number)
  for _, name in ipairs(callbacks()) do
    local callback = hash_fields(members, name)
    if callback then restage_member(callback, t) end
  end
  if feeds ~= '0' and failed_before(flow, feeds) == 0 then
    note_step('restage', flow, feeds, '-', t)
  end
  call('HSET', record, 'state', 'running') -- first: an ended one is removed when it is looked at
  note_look(flow, t + FLOW_LOOK)
  call('HDEL', record, 'ended_at', 'cancel')
  -- The requeue broke: no other end follows.
  local state = field_of(id, 'state')
  if not state or is_final(state) then note_flow(
    'end ' .. flow .. ' ' .. number .. ' ' .. feeds .. ' ' .. id, t) end
end

-- Ends a workflow before it is sealed: nothing of it has run, and nobody is told.
local function end_unsealed(flow, t)
  local record = key('workflow', flow)
  for _, name in ipairs(callbacks()) do
    local id = hash_fields(key('workflow-members', flow), name)
    if id then stop_member(id, 'not_called', t) end
  end
  note_look(flow, t + (hash_fields(record, 'keep') or DAY))
  call('HSET', record, 'state', 'cancelled', 'ended_at', t, 'unsealed', '1')
end

-- Returns whether what a note says of a step still holds: until all its pages are done, a member
-- that feeds the step may have been requeued, or have failed again.
local function is_due(kind, flow, step)
  if kind == 'stop' then return failed_before(flow, step) > 0 end
  return kind ~= 'restage' or failed_before(flow, step) == 0
end

-- Does what a note says with one member.
local function move_member(kind, flow, number, id, extra, t)
  local state = id and field_of(id, 'state')
  if kind == 'check' then
    local feeds = call_or_false('ZSCORE', key('workflow-open', flow), number)
    if feeds and (not state or is_final(state)) then
      note_flow('end ' .. flow .. ' ' .. number .. ' ' .. feeds .. ' ' .. (id or '-'), t)
    end
  elseif kind == 'release' and state then release_member(id, t)
  elseif kind == 'restage' and state then restage_member(id, t)
  elseif kind == 'stop' and state then stop_member(id, extra, t)
  elseif kind == 'cancel' and state and (state == 'cancelled' or not is_final(state)) then
    cancel_job(id, extra, t)
  end
end

-- Does what a note says with at most `room` members of a step, or of all; notes the rest. Returns
-- with how many it did.
local function follow_page(kind, flow, step, first, extra, room, t)
  if not is_due(kind, flow, step) then return 1 end
  local _, last = members_of_step(flow, step)
  if kind == 'cancel' or kind == 'check' then
    last = tonumber((hash_fields(key('workflow', flow), 'total'))) or 0
  end
  local ids, following = members_from(flow, first, last, room)
  for at, id in ipairs(ids) do move_member(kind, flow, int(first + at - 1), id, extra, t) end
  if following then
    note_flow(kind .. ' ' .. flow .. ' ' .. step .. ' ' .. following .. ' ' .. extra, t)
  elseif kind == 'restage' and open_before(flow, step) == 0 then
    note_step('release', flow, step, '-', t) -- an earlier one may have passed those cancelled then
  end
  return math.max(1, #ids)
end

-- Does what a note says with at most `room` members. Returns with how many it did.
local function follow_note(note, room, t)
  local kind, flow, first, second, extra = string.match(note, '^(%l+) (%S+) (%d+) (%d+) (%S+)$')
  local record, moved = key('workflow', flow or '-'), 1
  local state, if_failed, cancel = hash_fields(record, 'state', 'if_failed', 'cancel')
  if state == 'staged' and not cancel then call('HSET', record, 'early', '1') end -- see seal.lua
  if not state or state == 'staged' and not cancel then return 1 end
  if state == 'staged' then end_unsealed(flow, t) end
  if kind == 'end' then
    note_end(flow, first, second, extra, cancel or if_failed ~= 'continue', t)
  elseif kind == 'again' then
    reopen(flow, first, second, extra, t)
  else
    moved = follow_page(kind, flow, first, tonumber(second), extra, room, t)
  end
  end_workflow(flow, t)
  return moved
end

-- Does what is noted, with at most so many members. Returns how many notes are left.
local function follow_notes(limit, t)
  local notes, moved = PREFIX .. 'workflow-notes', 0
  for _ = 1, limit do
    local note = unpack(call_or_false('ZRANGE', notes, '0', '0') or {})
    if not note or moved >= limit then break end
    moved = moved + follow_note(note, limit - moved, t)
    call('ZREM', notes, note)
  end
  return call_or_false('ZCARD', notes) or 0
end

-- Cancels what has not run of a workflow, and tells what runs to end.
local function cancel_workflow(flow, reason, t)
  local record = key('workflow', flow)
  local state = hash_fields(record, 'state')
  if state ~= 'running' and state ~= 'staged' then return end
  call('HSET', record, 'cancel', reason)
  note_flow('cancel ' .. flow .. ' 0 1 ' .. reason, t)
end

-- Notes the end of members of which a script has not told: nobody knows how that may be.
local function check_members(flow, t)
  local record = key('workflow', flow)
  local from = tonumber((hash_fields(record, 'checked'))) or 0
  local numbers = call_or_false('ZRANGEBYSCORE', key('workflow-open', flow), '-inf', 'inf',
    'WITHSCORES', 'LIMIT', int(from), '100') or {}
  for at = 1, #numbers, 2 do
    local number, feeds = unpack(numbers, at, at + 1)
    local id = hash_fields(key('workflow-members', flow), number)
    local state, step = fields_of(id or '-', 'state', 'step')
    if not state or is_final(state) then
      note_flow('end ' .. flow .. ' ' .. number .. ' ' .. feeds .. ' ' .. (id or '-'), t)
    elseif not step then release_member(id, t) end -- a call that added it broke
  end
  call('HSET', record, 'checked', int(#numbers == 200 and from + 100 or 0))
  note_look(flow, t + FLOW_LOOK)
  end_workflow(flow, t)
end

-- Looks at workflows whose time has come: cancels one that its caller did not seal, checks one that
-- runs, and removes one that has ended long ago, unless a note that is left may be about it.
local function look_at_workflows(t)
  local workflows, room = PREFIX .. 'workflows', 100 -- removals; a check counts for ten
  for _, flow in ipairs(call_or_false('ZRANGEBYSCORE', workflows, '-inf', t, 'LIMIT', '0', room)
    or {}) do
    if room <= 0 then break end
    local state = hash_fields(key('workflow', flow), 'state')
    room = room - ((state == 'staged' or state == 'running') and 10 or 1)
    if state == 'staged' then cancel_workflow(flow, 'unsealed', t)
    elseif state == 'running' then check_members(flow, t)
    elseif (call_or_false('ZCARD', PREFIX .. 'workflow-notes') or 0) == 0 then
      call('UNLINK', key('workflow', flow), key('workflow-members', flow),
        key('workflow-open', flow), key('workflow-failed', flow), key('workflow-steps', flow),
        key('workflow-results', flow), key('workflow-added', flow))
      call('ZREM', workflows, flow)
    else note_look(flow, t + FLOW_LOOK) end -- others come first
  end
end
