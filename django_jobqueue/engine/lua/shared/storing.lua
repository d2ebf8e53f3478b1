-- Functions that store jobs and cached values, and the reads that precede them. A script stores a
-- job after its checks and before all other writes: at maxmemory the first write of `store` is
-- refused, and then nothing has changed.

-- Reads a new job from the words of a call: id, queue, task, priority, due, payload, number of
-- further words, then these. Returns the job, and the position of the next one.
local function read_job(words, at)
  local id, queue, task, priority, due, payload, further = unpack(words, at, at + 6)
  local after = at + 7 + further
  return {id = id, queue = queue, task = task, priority = priority, due = due, payload = payload,
    fields = {unpack(words, at + 7, after - 1)}}, after
end

-- Writes the record, the index and the payload. `due` is '' for now, ms, or '+' and ms from now.
-- Returns 1 if the job can be claimed now, else 0.
local function store(job, t)
  local id, queue, due = job.id, job.queue, job.due
  if due == '' then
    to_queued(id, queue, next_score(job.priority), 'queue', queue, 'task', job.task,
      'enqueued_at', t, unpack(job.fields))
  else
    local relative = string.match(due, '^%+(.*)')
    to_scheduled(id, queue, relative and t + relative or tonumber(due), 'queue', queue,
      'task', job.task, 'enqueued_at', t, unpack(job.fields))
  end
  call('SET', key('payload', id), job.payload)
  return due == '' and 1 or 0
end

-- Counts jobs added to a queue, and wakes slots for the claimable ones. The first job of a minute
-- adds its queue to the set of all queues. Slots that serve all queues learn of a new one by the
-- wake tokens of '*', which no queue can be named.
local function count_and_wake(queue, added, claimable, t)
  if count('enqueued', queue, t, added) and call('SADD', PREFIX .. 'queues', queue) == 1 then
    wake('*', 1)
  end
  if claimable > 0 then wake(queue, claimable) end
end

-- Returns whether a job is stored and not final.
local function is_open(id)
  local state = field_of(id, 'state')
  return state and state ~= 'succeeded' and state ~= 'failed' and state ~= 'cancelled'
end

-- Returns the ms after which the nominal times of a schedule under a rule are not handled yet (nil
-- if the rule is not in use), and the id of the job that the schedule stored last.
local function since_of(name, rule)
  local begun = 'since:' .. rule
  local known = hash_fields(key('schedule', name), begun, 'high_water', 'job')
  local since = tonumber(known[begun])
  return since and math.max(since, tonumber(known.high_water) or 0), known.job
end

-- Stores the result of a run as the cached value; `cached` is a digest and seconds. The value of a
-- run that began later stays, unless the start of that run lies in the future.
local function keep_cached(cached, result, begun, t)
  local digest, seconds = string.match(cached, '^(%S+) (%d+)$')
  if not digest then return end
  begun = tonumber(begun) or t
  local cached_key = key('cached', digest)
  local old = hash_fields(cached_key, 'begun', 'refresh')
  local newest = tonumber(old.begun) or 0
  if tonumber(begun) < newest and newest <= tonumber(t) then return end
  call('UNLINK', cached_key)
  call('HSET', cached_key, 'value', result ~= '' and result or 'null', 'at', t, 'begun', begun,
    'refresh', old.refresh or '')
  if seconds ~= '0' then call('EXPIRE', cached_key, seconds) end
end
