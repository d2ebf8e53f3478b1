-- What more than one transition needs. Each function that moves a job writes all of it:
-- the index, the state in the hash and the counter.
local P = KEYS[1]
local call = redis.call

local function key(kind, name) return P .. kind .. ':' .. name end

-- A command's answer; false if its key is of another type.
local function try(...)
  local answer = redis.pcall(...)
  return (type(answer) ~= 'table' or not answer.err) and answer
end

-- Fields of a job's record. Of a key that is no hash: none, as if there were no record.
local function fields_of(id, ...) return try('HMGET', key('job', id), ...) or {} end

-- A write that changes nothing and is no deny-oom command: what comes first decides
-- whether the script may run at maxmemory.
local function allow_at_maxmemory() call('ZREM', P .. 'workers', '') end

-- A process works on the keys that attach.lua introduced it to. Another epoch is an
-- emptied server, another owner or another schema: the process has to be introduced anew.
local function is_attached(name) return call('HGET', P .. 'meta', 'epoch') == name end

local function detached() return redis.error_reply('DETACHED these keys are not the known ones') end

-- Returns true if it is the first such event of the queue in this minute.
local function count(event, queue, t, n)
  local minute = key('minute', math.floor(t / 60000))
  local first = call('HINCRBY', minute, event .. ':' .. queue, n) == tonumber(n)
  if first then call('EXPIRE', minute, 90000) end
  return first
end

local function note(event) call('HINCRBY', P .. 'totals', event, '1') end

-- Tokens are worthless hints: one lost costs a slot 5 s, one too many an empty claim.
local function wake(queue, n)
  local tokens = key('wake', queue)
  for _ = 1, math.min(n, 64 - call('LLEN', tokens)) do call('RPUSH', tokens, '1') end
end

-- The place behind all queued jobs of the same priority.
local function last_place(priority)
  return (100 - (tonumber(priority) or 0)) * 1e13 + call('INCR', P .. 'sequence')
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
  call('ZADD', index, due, id)
  if call('ZRANK', index, id) == 0 then wake(queue, 1) end
end

local function final(id, queue, state, t, ...)
  call('HSET', key('job', id), 'state', state, 'finished_at', t, ...)
  call('ZADD', key(state, queue), t, id)
  local task = state == 'failed' and call('HGET', key('job', id), 'task')
  if task then call('ZADD', key('failed-of', task), t, id) end
  count(state, queue, t, '1')
end

-- An id taken out of an index whose state its record does not have. If it has none, the
-- record is gone or is no job: it ends as failed, where people see it.
local function misplaced(id, queue, t, state)
  if state then return note('ghost') end
  if call('TYPE', key('job', id)).ok ~= 'hash' then call('UNLINK', key('job', id)) end
  note('damaged')
  final(id, queue, 'failed', t, 'queue', queue, 'reason', 'damaged', 'enqueued_at',
    call('HGET', key('job', id), 'enqueued_at') or t)
end

-- One record per run: a line of seven words, then the traceback. `error` is the last word,
-- the exception's class or '-', with what follows.
local function record(id, attempt, fence, worker, started, t, outcome, error)
  local line = table.concat({attempt, fence or '-', worker or '-', started or '0', t, outcome,
    error}, ' ')
  local runs = key('attempts', id)
  local length = try('RPUSH', runs, line)
  if not length then
    call('UNLINK', runs)
    call('RPUSH', runs, line)
  elseif length > 20 then
    call('LTRIM', runs, -20, -1)
  end
end

-- When the first of a queue's scheduled jobs is due; nil if there is none.
local function first_due(index)
  return tonumber(call('ZRANGE', index, '0', '0', 'WITHSCORES')[2])
end

-- Moves due jobs of a queue. Returns how many, and when the next one is due.
local function promote_due(queue, t, limit)
  local index, moved = key('scheduled', queue), 0
  local due = first_due(index)
  if not due or due > tonumber(t) then return 0, due end
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
  if moved > 0 then wake(queue, moved) end
  return moved, first_due(index)
end

-- A run ended with its process: the job goes back to its old place. If the run was lost
-- (lost 1), it counts as a recovery, and after too many of them the job fails. A job that was
-- to be cancelled is.
local function recover(id, queue, t, lost, reason)
  call('ZREM', key('leases', queue), id)
  local job = call('HMGET', key('job', id), 'recoveries', 'max_recoveries', 'place',
    'attempts', 'fence', 'worker', 'attempted_at', 'priority', 'cancel')
  local recoveries = (tonumber(job[1]) or 0) + lost
  record(id, (tonumber(job[4]) or 0) + 1, job[5], job[6], job[7], t,
    lost == 1 and 'recovered' or 'released', '-')
  if lost == 1 then note('recovered') end
  local state = job[9] and 'cancelled' or recoveries > (tonumber(job[2]) or 2) and 'failed'
  if state then
    final(id, queue, state, t, 'recoveries', recoveries, 'reason', job[9] or reason)
    return state
  end
  to_queued(id, queue, tonumber(job[3]) or last_place(job[8]), 'recoveries', recoveries)
  wake(queue, 1)
  return 'queued'
end

-- The record of a job, by name and as Redis gives it. Of a key that is no hash: none.
local function record_of(id)
  local job, flat = {}, try('HGETALL', key('job', id)) or {}
  for at = 1, #flat, 2 do job[flat[at]] = flat[at + 1] end
  return job, flat
end

-- What a slot needs to run the job: its record as it was before this run, and the rest.
local function handout(id, queue, fence, t, flat)
  -- Fence 1 is the first run: there are no records of runs yet.
  local runs = string.sub(fence, 1, 2) ~= '1-' and try('LRANGE', key('attempts', id), '0', '-1')
  return {'job', id, queue, fence, t, try('GET', key('payload', id)), flat, runs or {}}
end

local function start(id, queue, place, worker, slot, nonce, lease, t, job, flat)
  local run = (tonumber(string.match(job.fence or '', '^%d+')) or 0) + 1
  local fence = run .. '-' .. string.sub(nonce, -12)
  call('HSET', key('job', id), 'state', 'running', 'worker', worker, 'fence', fence,
    'attempted_at', t, 'place', place, 'started_at', job.started_at or t)
  call('ZADD', key('leases', queue), t + lease, id)
  call('HSET', key('slots', worker), slot, table.concat({nonce, queue, id, fence}, ' '))
  return handout(id, queue, fence, t, flat)
end

-- Before a slot claims: what it has claimed last and not finished. Under the same nonce it gets
-- that again, the reply was lost. Nonces of a slot rise: under an older one the call is late,
-- nobody waits for it any more, and the slot keeps what it runs. Under a newer one the slot has
-- nothing to run, so a process died before it knew of that job: it goes back, as if reaped.
local function claimed_before(worker, slot, nonce, t)
  local last, queue, id, fence = string.match(call('HGET', key('slots', worker), slot) or '',
    '^(%S+) (%S+) (%S+) (%S+)')
  if not id then return nil end
  local job, flat = record_of(id)
  if job.state ~= 'running' or job.fence ~= fence then return nil end
  if nonce == last then return handout(id, queue, fence, t, flat) end
  if nonce < last then return {'none', -1} end
  recover(id, queue, t, 1, 'lost')
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
        local job, flat = record_of(head[1])
        if job.state == 'queued' then
          return start(head[1], queue, head[2], worker, slot, nonce, lease, t, job, flat)
        end
        misplaced(head[1], queue, t, job.state)
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
