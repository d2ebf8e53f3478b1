-- Functions of a finish that is not that of a first, successful run.

-- Returns the error about a word of finish that is wrong.
local function bad_end(outcome, delay, error)
  if not is_final(outcome) and outcome ~= 'retried' and outcome ~= 'released' then
    local outcomes = 'succeeded, failed, cancelled, retried or released'
    return bad_argument('outcome', outcome, outcomes)
  end
  return bad_number('delay', delay) or bad_word('error', string.match(error, '^[^\n]*'))
end

-- Counts a run that another one has overtaken.
local function count_stale(queue, t)
  count_total('stale')
  if queue then count('stale', queue, t, 1) end
end

-- Notes until when a succeeded job is kept, if its task says so: a minute at least, for a call that
-- comes again.
local function keep_for(id, keep, t)
  add_to_set(PREFIX .. 'short-lived', int(t + math.max(keep, MINUTE)), id)
end

-- Ends a run, and moves its job. Returns the reply to finish.
local function end_run(id, queue, fence, worker, outcome, result, reason, error, delay, cached,
  keep, cancel, untold, round, settled, t)
  local attempts, attempted_at, held_since, score, priority, unique, limits, flow, fair =
    fields_of(id, 'attempts', 'attempted_at', 'held_since', 'score', 'priority', 'unique', 'limits',
      'flow', 'fair')
  attempts = tonumber(attempts) or 0
  local was_released = outcome == 'released' -- and uses no attempt, even if its job is cancelled
  local fields = {'attempts', int(attempts + (was_released and 0 or 1))}
  local reply, is_first = 'ok', string.sub(fence, 1, 2) == '1-'
  if cancel and cancel ~= '' and outcome ~= 'succeeded' and outcome ~= 'failed' then
    reply, outcome, reason = 'cancelled', 'cancelled', cancel -- no other run follows
  end
  -- The reason is stored if there is one. `held_since` keeps the time of the first release in a row
  -- that has a reason; it is emptied by any other end of a run.
  if held_since == '' then held_since = false end
  if reason ~= '' or held_since then
    local since = outcome == 'released' and (held_since or t) or ''
    fields = {'reason', reason, 'held_since', since, unpack(fields)}
  end
  allow_at_maxmemory()
  if outcome == 'retried' or (outcome == 'released' and tonumber(delay) > 0) then
    to_scheduled(id, queue, int(t + delay), unpack(fields))
  elseif outcome == 'released' then
    to_queued(id, queue, t, old_score(queue, priority, fair, score), unpack(fields))
  else
    if round and settled ~= outcome then note_unsettled(id, round, outcome, reason, t) end
    if result ~= '' then call('SET', key('result', id), result)
    elseif not is_first then call('UNLINK', key('result', id)) end
    if cached ~= '' and outcome == 'succeeded' then keep_cached(cached, result, id, t) end
    if flow then note_member(id, flow, t) end
    if keep ~= '' and outcome == 'succeeded' then keep_for(id, keep, t) end
    to_final(id, queue, outcome, t, unpack(fields))
    if unique then leave_lock(id, unique) end
  end
  call('ZREM', key('leases', queue), id)
  if limits then leave_places(id, limits, t) end
  append_attempt(id, attempts + 1, fence, worker, attempted_at, t,
    was_released and 'released' or outcome, error)
  if outcome ~= 'released' and outcome ~= 'cancelled' then count(outcome, queue, t, 1) end
  if settled == 'stale' then count_stale(queue, t) end
  if untold == '1' and is_final(outcome) then note_ended(id, t) end
  return reply
end

-- Returns whether the job has a record of this run; with an outcome, of this one alone.
local function has_record(id, fence, outcome)
  for _, record in ipairs(call_or_false('LRANGE', key('attempts', id), '0', '-1') or {}) do
    local its_fence, its_outcome = string.match(record, '^%S+ (%S+) %S+ %S+ %S+ (%S+)')
    if its_fence == fence and (not outcome or its_outcome == outcome) then return true end
  end
  return false
end

-- Adds what an earlier call of a run may have left out when it broke: the job has left the state
-- `running` since then.
local function complete_finish(id, queue, fence, worker, outcome, error, t)
  local state, attempts, attempted_at, limits =
    fields_of(id, 'state', 'attempts', 'attempted_at', 'limits')
  allow_at_maxmemory()
  call('ZREM', key('leases', queue), id)
  if limits then leave_places(id, limits, t) end
  if state == 'succeeded' and not attempts then return end -- its run needs no record
  if has_record(id, fence) then return end
  append_attempt(id, math.max(1, tonumber(attempts) or 1), fence, worker, attempted_at, t, outcome,
    error)
end

-- Handles a finish of a run that does not hold its job. Returns the reply.
local function refuse(id, fence, worker, nonce, outcome, error, t)
  local current, queue = fields_of(id, 'fence', 'queue')
  if queue and current == fence then
    complete_finish(id, queue, fence, worker, outcome, error, t)
    return 'repeated'
  end
  -- The earlier call gave the job back, and claimed it anew.
  if queue and current == next_fence(fence, nonce) then return 'repeated' end
  -- It broke after its record, and another run has begun since.
  if queue and has_record(id, fence, outcome) then return 'repeated' end
  allow_at_maxmemory()
  count_stale(queue, t)
  return 'stale'
end

-- Writes the record of a first, successful run, which was not needed until now.
local function write_first_run(id, state)
  local attempts, fence, worker, attempted_at, took =
    fields_of(id, 'attempts', 'fence', 'worker', 'attempted_at', 'took')
  if state ~= 'succeeded' or attempts then return end
  local finished_at = (tonumber(attempted_at) or 0) + (tonumber(took) or 0)
  append_attempt(id, 1, fence, worker, attempted_at, int(finished_at), state, '-')
end
