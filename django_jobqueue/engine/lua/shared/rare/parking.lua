-- Functions about the keys of which only so many jobs run at once, or start in a time (see rates).
-- A run holds a place on each key of its job (`places`). A job that finds a key full waits there
-- (`parked`) until a place is free, or the time has come: then it is admitted, which means queued
-- again with its old score. Admission reserves nothing.

-- Returns the limits in the field `limits` of a job: name of the key, most runs (nil: the task has
-- this limit no more), mode and what else a rate has. The numbers that workers have noted for the
-- task count, but for a word that begins with =, which a call has given.
local function limits_of(task, words)
  local noted = task and call_or_false('HGET', PREFIX .. 'limits', task)
  local numbers, found = noted and string.gmatch(noted, '%S+'), {}
  for own, most, mode, extra, name in string.gmatch(words, '(=?)(%d+)(%a)([%d.]*):(%S+)') do
    local current = numbers and (numbers() or '')
    if own == '' and current then
      local new_most, new_mode, new_extra = string.match(current, '^(%d+)(%a)([%d.]*)$')
      if (new_mode == 'r') == (mode == 'r') then most, mode, extra = new_most, new_mode, new_extra
      else most, mode = nil, nil end -- a limit has become a rate
    end
    found[#found + 1] = {name = name, most = tonumber(most), mode = mode, extra = extra}
  end
  return found
end

-- Returns the keys in the field `limits` of which some modes are, such as '[wso]'. A key may look
-- like a word itself, so each word is read from its beginning.
local function keys_of(limits, modes)
  local found = {}
  for mode, name in string.gmatch(limits, '%d(%a)[%d.]*:(%S+)') do
    if string.find(mode, modes) then found[#found + 1] = name end
  end
  return found
end

-- Returns whether so many runs hold a place on a key as may, beside that of a job and so many more;
-- of a rate, whether the job may not start yet.
local function is_full(limit, id, more, t)
  if limit.mode == 'r' then return more > 0 or next_start(limit, t) > tonumber(t) end
  local places = key('places', limit.name)
  local held = call_or_false('ZCARD', places) or 0
  return limit.most and held + more >= limit.most and not call_or_false('ZSCORE', places, id)
end

-- Writes the indexes in which a job waits for a key, and when the maintenance is to look at it.
local function add_parked(id, queue, name, score, t)
  local awaited = PREFIX .. 'awaited'
  if not call_or_false('ZADD', awaited, 'NX', int(t + LOOK_AFTER), name) then
    add_to_set(awaited, int(t + LOOK_AFTER), name)
  end
  call('ZADD', PREFIX .. 'names', '0', queue)
  add_to_set(key('parked', name), score, id)
  call('ZADD', key('waiting', queue), score, id)
end

-- Returns whether a job can be in this state.
local function is_known(state)
  local states = ' scheduled queued waiting running succeeded failed cancelled '
  return state and string.find(states, ' ' .. state .. ' ', 1, true)
end

-- Sees to it that the index of a job's state holds it.
local function ensure_index(id, queue, state, t)
  local index, score = key(state == 'running' and 'leases' or state, queue), t
  if call('ZSCORE', index, id) then return end
  if state == 'queued' or state == 'waiting' then
    local last, priority, name, fair = fields_of(id, 'score', 'priority', 'parked', 'fair')
    score = old_score(queue, priority, fair, last)
    if state == 'waiting' and name then
      local known = call_or_false('ZSCORE', key('parked', name), id)
      return add_parked(id, queue, name, known or score, t)
    end
    note_work(queue, t)
  elseif state == 'scheduled' then
    note_due(queue, t)
  end
  call('ZADD', index, score, id)
end

-- Returns whether a job that waits for a key may be claimed, if so many more run.
local function may_run(id, task, limits, name, more, t)
  for _, limit in ipairs(limits_of(task, limits or '')) do
    if limit.name == name and is_full(limit, id, more, t) then
      if limit.mode == 'r' then note_rate(name, next_start(limit, t)) end
      return false
    end
  end
  return true
end

-- Queues the first jobs that wait for a key, at most so many and not more than it has room for.
-- Those of paused queues are not counted: they are claimed, or parked again, once it is resumed.
-- Returns how many ids it handled.
local function admit(name, most, t)
  local parked, admitted = key('parked', name), 0
  for handled = 0, MAX_MOVES - 1 do
    local id, score = unpack(call_or_false('ZRANGE', parked, '0', '0', 'WITHSCORES') or {})
    if not id then call_or_false('ZREM', PREFIX .. 'awaited', name) end
    if not id or admitted >= most then return handled end
    local state, queue, task, limits, own, priority, fair =
      fields_of(id, 'state', 'queue', 'task', 'limits', 'parked', 'priority', 'fair')
    local is_own = queue and own == name
    local waits = is_own and state == 'waiting'
    if waits then
      if not may_run(id, task, limits, name, admitted, t) then return handled end
      to_queued(id, queue, t, old_score(queue, priority, fair, score))
    elseif is_known(state) and queue then -- a script broke
      ensure_index(id, queue, state, t)
    end
    if waits or is_own and state == 'queued' then
      local paused = call('HGET', PREFIX .. 'meta', 'paused:' .. queue)
      admitted = admitted + (paused and 0 or 1)
    end
    if queue and (waits or state ~= 'waiting') then call('ZREM', key('waiting', queue), id) end
    call('ZREM', parked, id)
  end
  return MAX_MOVES
end

-- Takes the places of a run whose lease was taken away, and lets the next jobs of its keys run.
local function leave_places(id, limits, t)
  for _, name in ipairs(keys_of(limits, '[wso]')) do
    if call_or_false('ZREM', key('places', name), id) == 1 then admit(name, 1, t) end
  end
end

-- Removes what is left of a lease whose job does not run.
local function leave_lease(id, queue, t)
  call('ZREM', key('leases', queue), id)
  local limits = field_of(id, 'limits')
  if limits then leave_places(id, limits, t) end
end

-- Takes a job that does not run, and is not to, out of the key `name` for which it waits. If it was
-- admitted there, it leaves its turn to the next one.
local function leave_key(id, name, t)
  local waited = call_or_false('ZREM', key('parked', name), id) == 1
  if call('HDEL', key('job', id), 'parked') == 1 and not waited then admit(name, 1, t) end
end

-- Takes a job that is deleted out of all that its keys hold.
local function leave_limits(id, limits, is_final)
  local name = not is_final and field_of(id, 'parked')
  if name then leave_key(id, name, now()) end
  for _, each in ipairs(keys_of(limits, '[wso]')) do
    call_or_false('ZREM', key('places', each), id)
    call_or_false('ZREM', key('older', each), id)
  end
end
