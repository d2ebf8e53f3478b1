-- Functions that store jobs and cached values, and the reads that precede them. A script stores a
-- job after its checks and before all other writes: at maxmemory the first write of `store` is
-- refused, and then nothing has changed.

-- Writes the record, the index and the payload of a new job, given as the words of a call: id,
-- queue, task, priority, due, payload, number of further words, then these. `due` is '' for now,
-- ms, or '+' and ms from now. Returns 1 if the job can be claimed now, else 0.
local function store(t, id, queue, task, priority, due, payload, _, ...)
  if due == '' then
    to_queued(id, queue, next_score(priority), 'queue', queue, 'task', task, 'enqueued_at', t, ...)
  else
    local relative = string.match(due, '^%+(.*)')
    to_scheduled(id, queue, relative and t + relative or tonumber(due), 'queue', queue,
      'task', task, 'enqueued_at', t, ...)
  end
  call('SET', key('payload', id), payload)
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
  local begun, high_water, job = hash_fields(key('schedule', name), 'since:' .. rule, 'high_water',
    'job')
  local since = tonumber(begun)
  return since and math.max(since, tonumber(high_water) or 0), job
end

-- Stores the result of a run as the cached value; `cached` is a digest and seconds. The value of a
-- run that began later stays, unless the start of that run lies in the future.
local function keep_cached(cached, result, begun, t)
  local digest, seconds = string.match(cached, '^(%S+) (%d+)$')
  if not digest then return end
  begun = tonumber(begun) or t
  local cached_key = key('cached', digest)
  local newest, refresh = hash_fields(cached_key, 'begun', 'refresh')
  newest = tonumber(newest) or 0
  if tonumber(begun) < newest and newest <= tonumber(t) then return end
  call('UNLINK', cached_key)
  call('HSET', cached_key, 'value', result ~= '' and result or 'null', 'at', t, 'begun', begun,
    'refresh', refresh or '')
  if seconds ~= '0' then call('EXPIRE', cached_key, seconds) end
end
