-- Functions that keep queues and what is noted of them as they should be.

-- Returns the ms by which the clock went back, and whether the reaper is to wait.
local function watch_clock(t, interval, grace, lease)
  local meta = PREFIX .. 'meta'
  local reaped_at, reap_after = hash_fields(meta, 'reaped_at', 'reap_after')
  reaped_at, reap_after = tonumber(reaped_at) or 0, tonumber(reap_after) or 0
  call('HSET', meta, 'reaped_at', t)
  local away = reaped_at > 0 and math.abs(t - reaped_at) > 3 * interval
  if away and math.abs(t - reap_after) > 10 * lease then
    call('HSET', meta, 'reap_after', int(t + grace))
    return math.max(0, reaped_at - t), true
  end
  return math.max(0, reaped_at - t), tonumber(t) < reap_after and reap_after - t <= tonumber(grace)
end

-- Brings back leases that end later than any that is given now: the clock went back since then.
local function bring_back(index, t, lease)
  local latest = '(' .. int(t + 2 * lease)
  local ahead = call_or_false('ZRANGEBYSCORE', index, latest, 'inf', 'LIMIT', 0, MAX_PAGE)
  for _, id in ipairs(ahead or {}) do
    local worker = field_of(id, 'worker') or '-'
    local own = tonumber((hash_fields(key('worker', worker), 'lease'))) or tonumber(lease)
    call('ZADD', index, 'LT', int(t + own), id)
  end
end

-- Notes when the first job of all queues is due.
local function note_soonest()
  local _, soonest = unpack(call('ZRANGE', PREFIX .. 'due', '0', '0', 'WITHSCORES'))
  if soonest then call('HSET', PREFIX .. 'meta', 'due', soonest) end
end

-- Removes names of no queues from those of the queues that number fairly: no script wrote them.
local function correct_fair()
  local kept = ' '
  for queue in string.gmatch(fair_queues, '%S+') do
    if call('ZSCORE', PREFIX .. 'names', queue) then kept = kept .. queue .. ' ' end
  end
  if kept == fair_queues then return end
  fair_queues = kept ~= ' ' and kept
  if fair_queues then call('HSET', PREFIX .. 'meta', 'fair', fair_queues)
  else call('HDEL', PREFIX .. 'meta', 'fair') end
end

-- Removes sets of queues that are none, and adds names that only one of them holds.
local function correct_names()
  local names, work, due = PREFIX .. 'names', PREFIX .. 'work', PREFIX .. 'due'
  for _, set in ipairs({names, work, due}) do
    local kind = call('TYPE', set).ok
    if kind ~= 'zset' and kind ~= 'none' then call('UNLINK', set) end
  end
  for _, set in ipairs({work, due}) do
    for _, queue in ipairs(call('ZRANGEBYSCORE', set, '-inf', 'inf', 'LIMIT', 0, MAX_PAGE)) do
      call('ZADD', names, 0, queue)
    end
  end
  if fair_queues then correct_fair() end
  note_soonest()
end

-- Notes which of these queues have work, and when their next jobs are due, if that is missing or
-- wrong.
local function correct_hints(queues, t)
  if not queues[1] then return end
  local noted = call_or_false('ZMSCORE', PREFIX .. 'work', unpack(queues)) or {}
  local due = call_or_false('ZMSCORE', PREFIX .. 'due', unpack(queues)) or {}
  for at, queue in ipairs(queues) do
    local queued, scheduled = key('queued', queue), key('scheduled', queue)
    local held = call('EXISTS', queued, scheduled)
    if held == 0 or (call_or_false('ZCARD', queued) or 0) == 0 then
      if noted[at] then call('ZREM', PREFIX .. 'work', queue) end
      if fair_queues then forget_fair(queue) end
    elseif not noted[at] then
      note_work(queue, t)
    end
    if held > 0 then
      local first = call_or_false('ZRANGE', scheduled, '0', '0', 'WITHSCORES')
      local _, soonest = unpack(first or {})
      if soonest and due[at] ~= soonest then note_due(queue, soonest) end
    end
  end
end

-- Removes a final job, and counts it if the time of its lock was not over.
local function trim_job(id, queue, state, task, tags, unique, limits, t)
  local window = delete_job(id, queue, state, task, tags, unique, limits)
  if window and window > tonumber(t) then count_total('windows_cut') end
end

-- Removes jobs whose tasks keep them for less than the retention; one that is gone, or did not
-- succeed in the end, is forgotten. Returns how many it handled.
local function trim_short_lived(t, room)
  local index = PREFIX .. 'short-lived'
  local ids = call_or_false('ZRANGEBYSCORE', index, '-inf', t, 'LIMIT', 0, room) or {}
  for _, id in ipairs(ids) do
    local state, queue, task, tags, round, unique, limits =
      fields_of(id, 'state', 'queue', 'task', 'tags', 'round', 'unique', 'limits')
    if is_value_unsettled(id, state, round) then
      call('ZADD', index, int(t + MINUTE), id)
    else
      if state == 'succeeded' and queue then
        trim_job(id, queue, state, task, tags, unique, limits, t)
      end
      call('ZREM', index, id)
    end
  end
  return #ids
end

-- Removes jobs of a queue in one final state. Returns how many, how many before their time, and
-- how many it held.
local function trim_state(queue, state, kept_for, most, t, room)
  local index = key(state, queue)
  local held = call_or_false('ZCARD', index) or 0
  if held == 0 then return 0, 0, 0 end
  local ids = call('ZRANGEBYSCORE', index, '-inf', int(t - kept_for), 'LIMIT', 0, room)
  local expired = #ids
  local excess = math.min(held - most, room)
  if excess > expired then
    local settled = int(t - math.min(kept_for, MINUTE))
    ids = call('ZRANGEBYSCORE', index, '-inf', settled, 'LIMIT', 0, excess)
  end
  local gone, early = 0, 0
  for at, id in ipairs(ids) do
    local current, task, tags, round, unique, limits =
      fields_of(id, 'state', 'task', 'tags', 'round', 'unique', 'limits')
    if not is_value_unsettled(id, current, round) then
      if current and current ~= state then correct_index(id, state, queue, t)
      else trim_job(id, queue, state, task, tags, unique, limits, t) end
      gone = gone + 1
      if at > expired then early = early + 1 end
    end
  end
  return gone, early, held
end

local indexes = {'queued', 'scheduled', 'leases', 'waiting', 'succeeded', 'failed', 'cancelled'}

-- Removes a queue from the sets of queues if it holds no job and is not paused.
local function forget_if_empty(queue)
  local keys = {}
  for at, index in ipairs(indexes) do keys[at] = key(index, queue) end
  if call('EXISTS', unpack(keys)) > 0 then return end
  if call('HGET', PREFIX .. 'meta', 'paused:' .. queue) then return end
  call('ZREM', PREFIX .. 'work', queue)
  call('ZREM', PREFIX .. 'due', queue)
  if fair_queues then forget_fair(queue) end
  call('UNLINK', key('wake', queue), key('fair', queue))
  call('ZREM', PREFIX .. 'names', queue)
end

-- Adds the counts of minutes that have ended to those of their hours. A minute is noted first: a
-- count may be lost, but is never added twice.
local function add_minutes(t)
  local meta, now_minute = PREFIX .. 'meta', math.floor(t / MINUTE)
  local added = tonumber(call('HGET', meta, 'added_minute'))
  if not added then call('HSET', meta, 'added_minute', int(now_minute - 1)) end
  if not added or added >= now_minute then return end
  local first = math.max(added + 1, now_minute - 60)
  for minute = first, math.min(now_minute - 1, first + MAX_MINUTES - 1) do
    call('HSET', meta, 'added_minute', int(minute))
    local hour = key('hour', int(math.floor(minute / 60)))
    local counts = call_or_false('HGETALL', key('minute', int(minute))) or {}
    for at = 1, #counts, 2 do
      local field, n = counts[at], int(tonumber(counts[at + 1]) or 0)
      if call('HLEN', hour) >= MAX_COUNTERS and call('HGET', hour, field) == false then
        field = string.match(field, '^[^:]*') .. ':*'
      end
      call('HINCRBY', hour, field, n)
    end
    call('EXPIRE', hour, HOUR_TTL)
  end
end
