-- Functions about limits that a claim and the storing of a job need; see parking.lua.

-- Returns the first key with waiting jobs, behind which a new job with these limits waits.
local function awaited_key(limits)
  for mode, name in string.gmatch(limits, '%d(%a):(%S+)') do
    if mode ~= 's' and call('EXISTS', key('parked', name)) == 1 then return name end
  end
end

-- Notes a new job that is to cancel the older ones of a key, and that a newer one will cancel.
local function note_older(id, limits)
  for name in string.gmatch(limits, '%do:(%S+)') do
    add_to_set(key('older', name), call('INCR', PREFIX .. 'sequence'), id)
  end
end

-- Cancels the jobs that are older than this one, and tells those that run to end.
local function supersede(id, limits, t)
  for name in string.gmatch(limits, '%do:(%S+)') do
    local older = key('older', name)
    local own = call('ZSCORE', older, id) or '-inf'
    local found = call('ZRANGEBYSCORE', older, '-inf', '(' .. own, 'LIMIT', 0, MAX_PAGE)
    for _, other in ipairs(found) do
      if cancel_job(other, 'superseded', t) ~= 'running' then call('ZREM', older, other) end
    end
  end
end

-- Takes a place on each key of the job at the head of a queue, on all or on none. If one is full,
-- the job waits there, or ends: `skip` ends one that has not run yet. Returns whether it did not
-- get its places. `job` has the fields of its record.
local function lacks_place(id, queue, score, job, t)
  local limits = limits_of(job.task, job.limits)
  for _, limit in ipairs(limits) do
    if is_full(limit, id, 0) then
      if limit.mode == 's' and not job.fence then
        end_unrun(id, queue, job, 'limit', t)
        return true
      end
      add_parked(id, queue, limit.name, score, t)
      call('HSET', key('job', id), 'state', 'waiting', 'parked', limit.name)
      call('ZREM', key('queued', queue), id)
      if job.parked and job.parked ~= limit.name then admit(job.parked, 1, t) end
      return true
    end
  end
  for _, limit in ipairs(limits) do
    if limit.most then add_to_set(key('places', limit.name), t, id) end
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
-- of a claim as if they were paused; puts those that may run more back. `limited` has their names
-- and numbers.
local function mark_full(limited, queues, flags, t)
  for queue, most in string.gmatch(limited, '(%S+) (%d+)') do
    local has_room = (call_or_false('ZCARD', key('leases', queue)) or 0) < tonumber(most)
    if not has_room then call('ZREM', PREFIX .. 'work', queue)
    elseif call('ZCARD', key('queued', queue)) > 0 then note_work(queue, t) end
    for at, name in ipairs(queues) do
      local is_it = name == queue or name == '*' and queue == 'default'
      if is_it and not has_room then flags[at + 3] = 'full' end
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
