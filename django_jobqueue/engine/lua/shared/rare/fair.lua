-- Functions of queues that number their jobs fairly: from the first one with a key of fairness (the
-- field `fair`) until they are empty. Their numbers are rounds, in which each key has one job. The
-- jobs without a key share one. `fair:<queue>` has the last score of each key, and for each
-- priority that of the last claim.

-- Returns where a queue stands among those that number fairly; nil or false if it does not.
local function find_fair(queue)
  if fair_queues == nil then fair_queues = call('HGET', PREFIX .. 'meta', 'fair') end
  if not fair_queues then return false end
  return string.find(fair_queues, ' ' .. queue .. ' ', 1, true)
end

-- Lets a queue that is empty, or about to be, number as ever. No order depends on it: what it knows
-- of keys is about jobs that are gone.
local function forget_fair(queue)
  local first, last = find_fair(queue)
  if not first then return end
  fair_queues = string.sub(fair_queues, 1, first) .. string.sub(fair_queues, last + 1)
  call('UNLINK', key('fair', queue))
  if fair_queues ~= ' ' then
    call('HSET', PREFIX .. 'meta', 'fair', fair_queues)
  else
    call('HDEL', PREFIX .. 'meta', 'fair')
    fair_queues = false
  end
end

-- Lets a queue number fairly. The jobs that stand in it count as those without a key: the last one
-- of each priority is noted. Returns whether it does; not if too many queues do.
local function begin_fair(queue)
  if find_fair(queue) then return true end
  local _, others = string.gsub(fair_queues or '', '%S+', '')
  if others >= MAX_FAIR then return false end
  local lasts, below = key('fair', queue), 'inf'
  call('UNLINK', lasts)
  for _ = -MAX_PRIORITY, MAX_PRIORITY do
    local _, score = unpack(call('ZRANGE', key('queued', queue), below, '-inf', 'BYSCORE', 'REV',
      'LIMIT', '0', '1', 'WITHSCORES'))
    if not score then break end
    local step = math.floor(score / PRIORITY_STEP)
    call('ZADD', lasts, score, int(MAX_PRIORITY - step) .. ':')
    below = '(' .. int(step * PRIORITY_STEP)
  end
  fair_queues = (fair_queues or ' ') .. queue .. ' '
  call('HSET', PREFIX .. 'meta', 'fair', fair_queues)
  return true
end

-- Notes how far the claims have come, before the job with this score leaves the queue; `is_left`
-- says whether others stay.
local function note_turn(queue, score, is_left)
  if not is_left then return forget_fair(queue) end
  if not find_fair(queue) then return end
  local priority = int(MAX_PRIORITY - math.floor(score / PRIORITY_STEP))
  call_or_false('ZADD', key('fair', queue), 'GT', score, priority)
end

-- Returns a new score. In a queue that numbers fairly it is the first one in the queue after the
-- one to which the claims have come, and after the last one of the key: the job joins that round.
-- If there is none, it is a new number. So no number is greater than `sequence`, and the queue may
-- number as ever again. A key behind the claims is as good as a new one: each call removes two.
local function new_fair_score(queue, priority, fair)
  local steps, lasts = MAX_PRIORITY - (tonumber(priority) or 0), key('fair', queue)
  local function fresh() return int(steps * PRIORITY_STEP + call('INCR', PREFIX .. 'sequence')) end
  if not find_fair(queue) and not (fair and begin_fair(queue)) then return fresh() end
  local own, first = int(MAX_PRIORITY - steps), steps * PRIORITY_STEP
  local above = '(' .. int(first + PRIORITY_STEP)
  local claimed = call_or_false('ZSCORE', lasts, own)
  local last = call_or_false('ZSCORE', lasts, own .. ':' .. (fair or ''))
  local after = int(math.max(first, claimed or 0, last or 0))
  local _, score = unpack(call('ZRANGEBYSCORE', key('queued', queue), '(' .. after, above,
    'LIMIT', '0', '1', 'WITHSCORES'))
  score = score or fresh()
  if claimed then
    local gone = call('ZRANGEBYSCORE', lasts, int(first), '(' .. claimed, 'LIMIT', '0', '2')
    if #gone > 0 then call('ZREM', lasts, unpack(gone)) end
  end
  if not call_or_false('ZADD', lasts, score, own .. ':' .. (fair or '')) then
    call('UNLINK', lasts)
  end
  return score
end

-- Returns the score that a job with a key keeps: the last one of the key if no other is greater.
local function old_fair_score(queue, fair, score)
  if begin_fair(queue) then
    local priority = int(MAX_PRIORITY - math.floor(score / PRIORITY_STEP))
    call_or_false('ZADD', key('fair', queue), 'GT', score, priority .. ':' .. fair)
  end
  return score
end
