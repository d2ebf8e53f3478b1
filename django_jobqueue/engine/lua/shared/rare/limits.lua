-- Functions about limits that a claim and the storing of a job need; see parking.lua.

-- Returns the first key with waiting jobs, behind which a new job with these limits waits.
local function awaited_key(limits)
  for _, name in ipairs(keys_of(limits, '[wor]')) do
    if call('EXISTS', key('parked', name)) == 1 then return name end
  end
end

-- Notes a new job that is to cancel the older ones of a key, and that a newer one will cancel.
local function note_older(id, limits)
  for _, name in ipairs(keys_of(limits, 'o')) do
    add_to_set(key('older', name), call('INCR', PREFIX .. 'sequence'), id)
  end
end

-- Cancels the jobs that are older than this one, and tells those that run to end.
local function supersede(id, limits, t)
  for _, name in ipairs(keys_of(limits, 'o')) do
    local older = key('older', name)
    local own = call_or_false('ZSCORE', older, id) or '-inf'
    local found = call_or_false('ZRANGEBYSCORE', older, '-inf', '(' .. own, 'LIMIT', 0, MAX_PAGE)
    for _, other in ipairs(found or {}) do
      if cancel_job(other, 'superseded', t) ~= 'running' then call('ZREM', older, other) end
    end
  end
end

-- Frees the places of a key that no lease holds: a script broke.
local function free_lost_places(name)
  local places = key('places', name)
  for _, id in ipairs(call_or_false('ZRANGE', places, '0', '99') or {}) do
    local state, queue = fields_of(id, 'state', 'queue')
    local holds = state == 'running' and queue and call('ZSCORE', key('leases', queue), id)
    if not holds then call('ZREM', places, id) end
  end
end

-- Takes a place on each key of the job at the head of a queue, on all or on none. If one is full,
-- the job waits there, or ends: `skip` ends one that has not run yet, after lost places are freed,
-- because maintenance looks only where jobs wait. Returns whether it did not get its places. `job`
-- has the fields of its record.
local function lacks_place(id, queue, score, job, t)
  local limits = limits_of(job.task, job.limits)
  for _, limit in ipairs(limits) do
    local skips = limit.mode == 's' and not job.fence
    if skips and is_full(limit, id, 0, t) then free_lost_places(limit.name) end
    if is_full(limit, id, 0, t) then
      if skips then
        end_unrun(id, queue, job, 'limit', t)
        return true
      end
      if limit.mode == 'r' then note_rate(limit.name, next_start(limit, t)) end
      add_parked(id, queue, limit.name, score, t)
      call('HSET', key('job', id), 'state', 'waiting', 'parked', limit.name)
      call('ZREM', key('queued', queue), id)
      if job.parked and job.parked ~= limit.name then admit(job.parked, 1, t) end
      return true
    end
  end
  for _, limit in ipairs(limits) do
    if limit.mode == 'r' then note_start(limit, t)
    elseif limit.most then add_to_set(key('places', limit.name), t, id) end
  end
  if job.parked then call('HDEL', key('job', id), 'parked') end
  return false
end

-- Returns whether a queue of a slot has a job to claim.
local function has_work(queues)
  local work = PREFIX .. 'work'
  for _, name in ipairs(queues) do
    if name == '*' and call('ZCARD', work) > 0 or call('ZSCORE', work, name) then return true end
  end
end

-- Takes the queues that run as many jobs as they may out of `work`, and marks them among the flags
-- of a claim as if they were paused, also by name: what the claim promotes or admits may put them
-- into `work` again. Puts those that may run more back. `limited` has their names and numbers.
local function mark_full(limited, queues, flags, t)
  for queue, most in string.gmatch(limited, '(%S+) (%d+)') do
    local has_room = (call_or_false('ZCARD', key('leases', queue)) or 0) < tonumber(most)
    flags[queue] = not has_room
    if not has_room then call('ZREM', PREFIX .. 'work', queue)
    elseif call('ZCARD', key('queued', queue)) > 0 then note_work(queue, t) end
    for at, name in ipairs(queues) do
      local is_it = name == queue or name == '*' and queue == 'default'
      if is_it and not has_room then flags[OWN_FLAGS + at] = 'full' end
    end
  end
end

-- Returns when the next job that waits for a rate is to be admitted, if one was at `due` (nil: none
-- was); nil if none waits for it. Jobs are admitted at the pace of the rate, so that its line stays
-- where it is while no slot is free.
local function next_admission(name, due, t)
  local id = unpack(call_or_false('ZRANGE', key('parked', name), '0', '0') or {})
  local task, limits = fields_of(id or '-', 'task', 'limits')
  local at
  for _, limit in ipairs(limits_of(task, limits or '')) do
    local window = limit.name == name and limit.mode == 'r' and rate_of(limit)
    if window then
      local paced = due and math.max(due + window / limit.most, t - window)
      at = math.max(paced or 0, next_start(limit, t))
    elseif limit.name == name and limit.mode ~= 'r' and is_full(limit, id, 0, t) then
      return nil -- it waits for a place
    end
  end
  return at
end

-- Queues the first job that waits for each rate whose time has come. Returns how many ids it moved.
local function admit_rates(t)
  local rates, handled = PREFIX .. 'rates', 0
  local names = call_or_false('ZRANGEBYSCORE', rates, '-inf', t, 'LIMIT', 0, MAX_MOVES) or {}
  for _, name in ipairs(names) do
    local due, moved = call('ZSCORE', rates, name), admit(name, 1, t)
    handled = handled + moved
    local at = next_admission(name, moved > 0 and due, t)
    if at then call('ZADD', rates, string.format('%.3f', at), name)
    else call('ZREM', rates, name) end
  end
  local _, soonest = unpack(call_or_false('ZRANGE', rates, '0', '0', 'WITHSCORES') or {})
  if soonest then call('HSET', PREFIX .. 'meta', 'rated', int(math.ceil(soonest)))
  else call('HDEL', PREFIX .. 'meta', 'rated') end
  return handled
end

-- Looks at the queues and rates that are limited, before a claim. Returns how many ids it handled.
local function look_at_limits(limited, rated, queues, flags, t)
  if limited then mark_full(limited, queues, flags, t) end
  local at = tonumber(rated)
  return at and at <= tonumber(t) and admit_rates(t) or 0
end

-- Returns when the next job is due, or may start by its rate.
local function soonest_of(due)
  local rated = tonumber(call('HGET', PREFIX .. 'meta', 'rated'))
  return rated and math.min(rated, due or rated) or due
end
