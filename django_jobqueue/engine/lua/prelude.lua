-- What more than one transition needs. Each function that moves a job writes all of it:
-- the index, the state in the hash and the counter.
local P = KEYS[1]
local call = redis.call

local function key(kind, name) return P .. kind .. ':' .. name end

-- Fields of a job's record. Of a key that is no hash: none, as if there were no record.
local function fields_of(id, ...)
  local job = redis.pcall('HMGET', key('job', id), ...)
  return job.err and {} or job
end

-- A write that changes nothing and is no deny-oom command: what comes first decides
-- whether the script may run at maxmemory.
local function allow_at_maxmemory() call('ZREM', P .. 'workers', '') end

-- Returns true if it is the first such event of the queue in this minute.
local function count(event, queue, t, n)
  local minute = key('minute', math.floor(t / 60000))
  local first = call('HINCRBY', minute, event .. ':' .. queue, n) == n
  if first then call('EXPIRE', minute, 90000) end
  return first
end

local function note(event) call('HINCRBY', P .. 'totals', event, 1) end

-- Tokens are worthless hints: one lost costs a slot 5 s, one too many an empty claim.
local function wake(queue, n)
  local tokens = key('wake', queue)
  for _ = 1, math.min(n, 64 - call('LLEN', tokens)) do call('RPUSH', tokens, '1') end
end

-- The score of a queued job: by priority, then by the number given to it.
local function place_of(priority, number)
  return string.format('%.0f', (100 - (priority or 0)) * 1e13 + number)
end

-- The place behind all queued jobs of the same priority.
local function last_place(priority)
  return place_of(priority, call('INCR', P .. 'sequence'))
end

-- The three moves that more than one script makes; `...` are further fields and values.
local function to_queued(id, queue, place, ...)
  call('HSET', key('job', id), 'state', 'queued', ...)
  call('ZADD', key('queued', queue), place, id)
end

-- A job that became the earliest wakes a slot, which then sleeps only until it is due.
local function to_scheduled(id, queue, due, ...)
  local index = key('scheduled', queue)
  call('HSET', key('job', id), 'state', 'scheduled', ...)
  call('ZADD', index, string.format('%.0f', due), id)
  if call('ZRANK', index, id) == 0 then wake(queue, 1) end
end

local function final(id, queue, task, state, t, ...)
  call('HSET', key('job', id), 'state', state, 'finished_at', t, ...)
  call('ZADD', key(state, queue), t, id)
  if state == 'failed' and task then call('ZADD', key('failed-of', task), t, id) end
  count(state, queue, t, 1)
end

-- An id taken out of an index whose state its record does not have. If it has none, the
-- record is gone or is no job: it ends as failed, where people see it.
local function misplaced(id, queue, t, state)
  if state then return note('ghost') end
  if call('TYPE', key('job', id)).ok ~= 'hash' then call('UNLINK', key('job', id)) end
  note('damaged')
  local job = call('HMGET', key('job', id), 'task', 'enqueued_at')
  final(id, queue, job[1], 'failed', t, 'queue', queue, 'reason', 'damaged',
    'enqueued_at', job[2] or t)
end

-- One record per run: a line of seven words, then the traceback.
local function record(id, attempt, fence, worker, started, t, outcome, exception, traceback)
  local line = table.concat({string.format('%.0f', attempt), fence or '-', worker or '-',
    started or '0', string.format('%.0f', t), outcome, exception}, ' ')
  if traceback ~= '' then line = line .. '\n' .. traceback end
  local runs = key('attempts', id)
  local length = redis.pcall('RPUSH', runs, line)
  if type(length) == 'table' then -- an error: of the wrong type
    call('UNLINK', runs)
    call('RPUSH', runs, line)
  elseif length > 20 then
    call('LTRIM', runs, -20, -1)
  end
end

-- Moves due jobs of a queue. Returns how many, and when the next one is due.
local function promote_due(queue, t, limit)
  local index = key('scheduled', queue)
  local moved = 0
  local head = call('ZRANGE', index, 0, 0, 'WITHSCORES')
  if not head[1] then return 0, nil end
  if tonumber(head[2]) > t then return 0, tonumber(head[2]) end
  for _, id in ipairs(call('ZRANGEBYSCORE', index, '-inf', t, 'LIMIT', 0, limit)) do
    call('ZREM', index, id)
    local job = fields_of(id, 'state', 'priority')
    if job[1] == 'scheduled' then
      to_queued(id, queue, last_place(job[2]))
      moved = moved + 1
    else
      misplaced(id, queue, t, job[1])
    end
  end
  head = call('ZRANGE', index, 0, 0, 'WITHSCORES')
  return moved, tonumber(head[2])
end

-- A run ended with its process: the job goes back to its old place. If the run was lost
-- (lost 1), it counts as a recovery, and after too many of them the job fails.
local function recover(id, queue, t, lost, reason)
  local job = call('HMGET', key('job', id), 'recoveries', 'max_recoveries', 'place', 'task',
    'attempts', 'fence', 'worker', 'attempted_at', 'priority')
  local recoveries = (tonumber(job[1]) or 0) + lost
  record(id, (tonumber(job[5]) or 0) + 1, job[6], job[7], job[8], t,
    lost == 1 and 'recovered' or 'released', '-', '')
  if lost == 1 then note('recovered') end
  if recoveries > (tonumber(job[2]) or 2) then
    final(id, queue, job[4], 'failed', t, 'recoveries', recoveries, 'reason', reason)
    return 'failed'
  end
  to_queued(id, queue, job[3] or last_place(job[9]), 'recoveries', recoveries)
  wake(queue, 1)
  return 'queued'
end

-- What a slot reads of a job: the first three decide, the rest goes to the worker.
local FIELDS = {'state', 'fence', 'task', 'attempts', 'recoveries', 'max_attempts', 'priority',
  'enqueued_at', 'started_at', 'held_since'}

local function handout(id, queue, fence, t, job)
  local payload = redis.pcall('GET', key('payload', id))
  if type(payload) == 'table' then payload = false end -- an error: of the wrong type
  local answer = {'job', id, queue, fence, t, payload, unpack(job, 3)}
  -- fence 1 is the first run: there are no records yet
  local runs = string.sub(fence, 1, 2) == '1-' and {}
    or redis.pcall('LRANGE', key('attempts', id), 0, -1)
  answer[15] = runs.err and {} or runs
  return answer
end

local function start(id, queue, place, worker, slot, nonce, lease, t, job)
  local runs = tonumber(string.match(job[2] or '', '^%d+')) or 0
  local fence = string.format('%d-%s', runs + 1, string.sub(nonce, 1, 12))
  call('HSET', key('job', id), 'state', 'running', 'worker', worker, 'fence', fence,
    'attempted_at', t, 'place', place, 'started_at', job[9] or t)
  call('ZADD', key('leases', queue), t + lease, id)
  call('HSET', key('slots', worker), slot, table.concat({nonce, queue, id, fence}, ' '))
  return handout(id, queue, fence, t, job)
end

-- The job that the slot got under this nonce, if the reply to its claim was lost.
local function claimed_before(worker, slot, nonce, t)
  local held = call('HGET', key('slots', worker), slot) or ''
  local old, queue, id, fence = string.match(held, '^(%S+) (%S+) (%S+) (%S+)$')
  if old ~= nonce then return nil end
  local job = fields_of(id, unpack(FIELDS))
  return job[1] == 'running' and job[2] == fence and handout(id, queue, fence, t, job)
end

-- Gives the slot the first job of its queues, taken in order. Returns {'job', ...}, or
-- {'more'} after 50 ids that can't run, or {'none', ms until the next one is due or -1}.
local function claim(worker, slot, nonce, lease, queues, t)
  local moves, due, tokens = 0, nil, {}
  for _, queue in ipairs(queues) do
    tokens[#tokens + 1] = key('wake', queue)
    if call('SISMEMBER', P .. 'paused', queue) == 0 then
      local _, next_due = promote_due(queue, t, 50)
      if next_due and (not due or next_due < due) then due = next_due end
      local head = call('ZPOPMIN', key('queued', queue))
      while head[1] do
        local job = fields_of(head[1], unpack(FIELDS))
        if job[1] == 'queued' then
          return start(head[1], queue, head[2], worker, slot, nonce, lease, t, job)
        end
        misplaced(head[1], queue, t, job[1])
        moves = moves + 1
        if moves == 50 then return {'more'} end
        head = call('ZPOPMIN', key('queued', queue))
      end
    end
  end
  if #tokens > 0 then call('DEL', unpack(tokens)) end
  call('HDEL', key('slots', worker), slot)
  return {'none', due and math.max(0, due - t) or -1}
end
