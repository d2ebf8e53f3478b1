-- Functions that give a job its place in a queue, which is its score. A queue numbers its jobs
-- fairly from the first one with a key of fairness (the field `fair`) until it is empty: then its
-- numbers are rounds, and each key has one job in a round. The jobs without a key share one.
-- `fair:<queue>` has the last score of each key, and for each priority that of the last claim.

-- Returns a new score, greater than those of all queued jobs of the same priority.
local function next_score(priority)
  return int((MAX_PRIORITY - (tonumber(priority) or 0)) * PRIORITY_STEP
    + call('INCR', PREFIX .. 'sequence'))
end

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
-- number as ever again. A key behind the claims is as good as a new one: each new one removes two.
local function new_score(queue, priority, fair)
  if not find_fair(queue) and not (fair and begin_fair(queue)) then return next_score(priority) end
  local steps = MAX_PRIORITY - (tonumber(priority) or 0)
  local lasts, own = key('fair', queue), int(MAX_PRIORITY - steps)
  local first, above = steps * PRIORITY_STEP, '(' .. int((steps + 1) * PRIORITY_STEP)
  local claimed = call_or_false('ZSCORE', lasts, own)
  local last = call_or_false('ZSCORE', lasts, own .. ':' .. (fair or ''))
  local after = int(math.max(first, claimed or 0, last or 0))
  local _, score = unpack(call('ZRANGEBYSCORE', key('queued', queue), '(' .. after, above,
    'LIMIT', '0', '1', 'WITHSCORES'))
  score = score or next_score(priority)
  if claimed and not last then
    local gone = call('ZRANGEBYSCORE', lasts, int(first), '(' .. claimed, 'LIMIT', '0', '2')
    if #gone > 0 then call('ZREM', lasts, unpack(gone)) end
  end
  if not call_or_false('ZADD', lasts, score, own .. ':' .. (fair or '')) then
    call('UNLINK', lasts)
  end
  return score
end

-- Returns the score that a job had before, or a new one if it has none. It is the last one of its
-- key if no other is greater.
local function old_score(queue, priority, fair, score)
  if not tonumber(score) then return new_score(queue, priority, fair) end
  if fair and begin_fair(queue) then
    local steps = math.floor(score / PRIORITY_STEP)
    call_or_false('ZADD', key('fair', queue), 'GT', score, int(MAX_PRIORITY - steps) .. ':' .. fair)
  end
  return score
end
