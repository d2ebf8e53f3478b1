-- Functions that give a job to a slot.

-- Returns whether these are the words of a claim, checked at once because each finish does it.
local function is_claim(worker, slot, nonce, lease)
  return string.find(worker .. ' ' .. slot .. ' ' .. nonce .. ' ' .. lease,
    '^%S+ %S+ %S+ %d+$')
end

-- Returns whether a job still runs under this fence.
local function runs_under(id, fence)
  local state, current = fields_of(id, 'state', 'fence')
  return state == 'running' and current == fence
end

-- Returns the last claim of a slot: nonce, queue, id and fence.
local function slot_entry(text) return string.match(text or '', '^(%S+) (%S+) (%S+) (%S+)') end

-- Returns all that a slot needs to run the job; `flat` is its record as the caller read it, with or
-- without the payload.
local function job_reply(id, queue, fence, t, flat, has_payload)
  -- A fence that starts with 1- is that of the first run: there are no records of runs yet.
  local runs = string.sub(fence, 1, 2) ~= '1-'
    and call_or_false('LRANGE', key('attempts', id), '0', '-1')
  return {'job', id, queue, fence, t, not has_payload and call_or_false('GET', key('payload', id)),
    flat, runs or {}}
end

-- Starts the job at the head of a queue; `job` has fields of its record, `flat` is all of it.
local function start(id, queue, score, worker, slot, nonce, lease, t, job, flat)
  local fence = job.fence and next_fence(job.fence, nonce) or '1-' .. string.sub(nonce, -8)
  call('HSET', key('slots', worker), slot, nonce .. ' ' .. queue .. ' ' .. id .. ' ' .. fence)
  call('ZADD', key('leases', queue), int(t + lease), id)
  if job.fence then -- `started_at` is written once it differs from `attempted_at`
    local first = job.started_at ~= '' and job.started_at or job.attempted_at
    call('HSET', key('job', id), 'state', 'running', 'worker', worker, 'fence', fence, 'score',
      score, 'started_at', first and first ~= '' and first or t, 'attempted_at', t)
  else
    call('HSET', key('job', id), 'state', 'running', 'worker', worker, 'fence', fence, 'score',
      score, 'attempted_at', t)
  end
  if job.unique then leave_lock_at_start(id, job.unique) end
  call('ZREM', key('queued', queue), id)
  return job_reply(id, queue, fence, t, flat, job.payload)
end

-- Starts the first job of a queue that can run. Returns the reply, nil if there is no job, or
-- {'more'} after `room` ids that can't run; how many ids could not; and whether jobs are left.
local function take(queue, room, worker, slot, nonce, lease, t)
  local index, corrected = key('queued', queue), 0
  while corrected < room do
    local id, score, second = unpack(call('ZRANGE', index, '0', '1', 'WITHSCORES'))
    if not id then return nil, corrected end
    if not second then call('ZREM', PREFIX .. 'work', queue) end
    if fair_queues then note_turn(queue, score, second) end
    local job, flat = {}, call_or_false('HGETALL', key('job', id)) or {}
    for at = 1, #flat, 2 do job[flat[at]] = flat[at + 1] end
    if job.state ~= 'queued' or job.queue ~= queue then
      correct_index(id, 'queued', queue, t)
    elseif not (job.expires and end_if_expired(id, queue, job, t))
      and not (job.limits and lacks_place(id, queue, score, job, t)) then
      local reply = start(id, queue, score, worker, slot, nonce, lease, t, job, flat)
      return reply, corrected, second
    end
    corrected = corrected + 1
  end
  return {'more'}, corrected, true
end

-- Gives the slot a job of the queues that have one, and are not `full`, in turn. Returns the reply,
-- nil if there is no job; and how many ids could not run.
local function claim_any(full, room, worker, slot, nonce, lease, t)
  local moves = 0
  for _ = 1, MAX_NAMES do
    local reply, corrected, left = nil, 0
    local queue = unpack(call('ZRANGE', PREFIX .. 'work', '0', '0'))
    if not queue then return nil, moves end
    if not full[queue] then
      reply, corrected, left = take(queue, math.max(1, room - moves), worker, slot, nonce, lease, t)
    end
    if reply and left then call('ZADD', PREFIX .. 'work', t, queue) end
    if reply then return reply, moves end
    call('ZREM', PREFIX .. 'work', queue)
    moves = moves + corrected
  end
  return {'more'}, moves
end

-- Gives the slot the first job of its queues, tried in order, after promoting jobs that are due;
-- the name '*' stands for all queues, `default` first. Returns {'job', ...}, or {'more'} after
-- MAX_MOVES ids that can't run, or {'none', ms until the next job is due, or may start by its rate,
-- or -1}; nil if the process is attached to other keys.
local function claim(epoch, worker, slot, nonce, lease, queues, t)
  local room, paused = MAX_MOVES, {}
  for at, name in ipairs(queues) do
    paused[at] = 'paused:' .. (name == '*' and 'default' or name)
  end
  -- What is seldom true shares one read: another epoch, a job that is due, a queue that is paused
  -- or limited, a rate whose time has come.
  local flags, current, due, limited, rated = call('HMGET', PREFIX .. 'meta', 'epoch', 'due',
    'limits', 'rated', 'fair', unpack(paused))
  current, due, limited, rated, fair_queues = unpack(flags)
  if current ~= epoch then return nil end
  if limited or rated then room = room - look_at_limits(limited, rated, queues, flags, t) end
  if due and tonumber(due) <= tonumber(t) then
    local handled
    handled, due = promote(t, MAX_MOVES)
    room = room - handled
  end
  for at, name in ipairs(queues) do
    local reply, moves
    if not flags[OWN_FLAGS + at] then
      local queue = name == '*' and 'default' or name
      reply, moves = take(queue, math.max(1, room), worker, slot, nonce, lease, t)
      room = room - moves
    end
    if not reply and name == '*' then
      reply, moves = claim_any(flags, math.max(1, room), worker, slot, nonce, lease, t)
      room = room - moves
    end
    if reply then return reply end
  end
  -- Ids that could not run may have made room for others, also in queues that were tried before.
  if room < MAX_MOVES and has_work(queues) then return {'more'} end
  if rated or room < MAX_MOVES then due = soonest_of(due) end
  -- The tokens are void now: with them, the slot's next wait would end at once.
  for _, name in ipairs(queues) do
    call('DEL', key('wake', name))
    call('ZREM', PREFIX .. 'work', name)
  end
  call('HDEL', key('slots', worker), slot)
  return {'none', due and math.max(0, due - t) or -1}
end
