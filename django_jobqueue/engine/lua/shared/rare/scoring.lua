-- Functions that give a job its place in a queue, which is its score: a new one, or the old one, as
-- its queue numbers: plainly, or fairly (rare/fair.lua has new_fair_score and old_fair_score).

-- Returns a new score, greater than those of all queued jobs of the same priority.
local function new_plain_score(priority)
  return int((MAX_PRIORITY - (tonumber(priority) or 0)) * PRIORITY_STEP
    + call('INCR', PREFIX .. 'sequence'))
end

-- Returns a new score for a job with this key of fairness; false: it has none.
local function new_score(queue, priority, fair)
  if not fair and fair_queues == false then return new_plain_score(priority) end
  return new_fair_score(queue, priority, fair)
end

-- Returns the score that a job had before, or a new one if it has none, or what can be none.
local function old_score(queue, priority, fair, score)
  local known = tonumber(score) or 0
  if not (known > 0 and known < (2 * MAX_PRIORITY + 1) * PRIORITY_STEP) then
    return new_score(queue, priority, fair)
  end
  known = string.format('%.17g', known)
  return fair and old_fair_score(queue, fair, known) or known
end
