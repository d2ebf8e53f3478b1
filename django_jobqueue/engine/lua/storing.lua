-- What stores something new: jobs, for each script that makes them; what is known of a schedule;
-- and the latest value of a task. A job is stored after the checks and before all other writes:
-- the first write of `store` is denied at maxmemory, and then nothing has changed.

-- Writes the record, the index and the payload. `due` is '' for now, ms, or '+' and ms from
-- now; `...` are further fields and values. Returns 1 if it may be claimed, or 0.
local function store(id, queue, task, priority, due, payload, t, ...)
  if due == '' then
    to_queued(id, queue, last_place(priority), 'queue', queue, 'task', task, 'enqueued_at', t, ...)
  else
    local relative = string.match(due, '^%+(.*)')
    to_scheduled(id, queue, relative and t + relative or tonumber(due), 'queue', queue,
      'task', task, 'enqueued_at', t, ...)
  end
  call('SET', key('payload', id), payload)
  return due == '' and 1 or 0
end

-- Counts what was added to a queue and wakes slots for what may be claimed. A queue is entered
-- at its first job of each minute. Slots that serve all queues wait for new ones at the queue
-- name '*', which is no name.
local function announce(queue, added, claimable, t)
  if count('enqueued', queue, t, added) and call('SADD', P .. 'queues', queue) == 1 then
    wake('*', 1)
  end
  if claimable > 0 then wake(queue, claimable) end
end

-- Tells whether a job is stored and not final.
local function is_open(id)
  local state = fields_of(id, 'state')[1]
  return state and state ~= 'succeeded' and state ~= 'failed' and state ~= 'cancelled'
end

-- The ms after which the times of a schedule are not handled yet, under a rule that is in use
-- (nil: it is not), and the job that the schedule stored last.
local function since_of(name, rule)
  local found = try('HMGET', key('schedule', name), 'since:' .. rule, 'mark', 'job') or {}
  local since = tonumber(found[1])
  return since and math.max(since, tonumber(found[2]) or 0), found[3]
end

-- Keeps the result of a run as the latest value; `latest` is a digest and seconds. A run that
-- began before the one whose value is there leaves it, unless that began in times to come.
local function keep(latest, result, begun, t)
  local digest, seconds = string.match(latest, '^(%S+) (%d+)$')
  if not digest then return end
  begun = tonumber(begun) or t
  local place = key('latest', digest)
  local old = try('HMGET', place, 'begun', 'refresh') or {}
  local newest = tonumber(old[1]) or 0
  if tonumber(begun) < newest and newest <= tonumber(t) then return end
  call('UNLINK', place)
  call('HSET', place, 'value', result ~= '' and result or 'null', 'at', t, 'begun', begun,
    'refresh', old[2] or '')
  if seconds ~= '0' then call('EXPIRE', place, seconds) end
end
