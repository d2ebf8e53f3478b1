-- Functions about the end of a job: its cached value, whom to tell, its row, its removal,
-- all that is known.

-- Stores the result of a run as the cached value; `cached` is a digest and seconds. The value of a
-- run that began later stays, unless the start of that run lies in the future.
local function keep_cached(cached, result, id, t)
  local digest, seconds = string.match(cached, '^(%S+) (%d+)$')
  if not digest then return end
  local begun = tonumber(field_of(id, 'attempted_at')) or tonumber(t)
  local cached_key = key('cached', digest)
  local newest, refresh = hash_fields(cached_key, 'begun', 'refresh')
  newest = tonumber(newest) or 0
  if begun < newest and newest <= tonumber(t) then return end
  call('UNLINK', cached_key)
  call('HSET', cached_key, 'value', result ~= '' and result or 'null', 'at', t, 'begun', int(begun),
    'refresh', refresh or '')
  if seconds ~= '0' then call('EXPIRE', cached_key, seconds) end
end

-- Notes a final job whose end no slot tells of, for a worker to do so (see pop_ended). Of too many
-- the oldest are dropped, and counted.
local function note_ended(id, t)
  local ended = PREFIX .. 'ended'
  add_to_set(ended, t, id)
  local surplus = call('ZCARD', ended) - MAX_ENDED
  if surplus > 0 then
    call('ZPOPMIN', ended, surplus)
    call('HINCRBY', PREFIX .. 'totals', 'untold', surplus)
  end
end

-- Notes how a durable job ends, for its row in the database. It is written before the state, so
-- that no job is final without it: where the two differ, the row decides.
local function note_unsettled(id, round, state, reason, t)
  add_to_set(PREFIX .. 'unsettled', t, id .. ' ' .. round .. ' ' .. state .. ' ' .. reason)
end

-- Returns whether the value of a durable job is nowhere but in its own key, because its row does
-- not tell of its success yet.
local function is_value_unsettled(id, state, round)
  return state == 'succeeded' and round
    and call_or_false('ZSCORE', PREFIX .. 'unsettled', id .. ' ' .. round .. ' succeeded ')
end

-- Cancels a job, or tells its worker to end it. Returns its state before, and now; nil if it is
-- unknown.
local function cancel_job(id, reason, t)
  local state, queue, worker, task, round, unique, parked, flow =
    fields_of(id, 'state', 'queue', 'worker', 'task', 'round', 'unique', 'parked', 'flow')
  if not state then return nil end
  allow_at_maxmemory()
  if state == 'running' then
    -- The field stays with the job: no other run follows, however this one ends.
    call('HSET', key('job', id), 'cancel', reason)
    if worker then call('SET', key('renew_now', worker), '1') end
    return state, state
  end
  if state == 'cancelled' then leave_other_indexes(id, queue, state, task) end
  if is_final(state) then
    if parked then leave_key(id, parked, t) end
    return state, state
  end
  if round then note_unsettled(id, round, 'cancelled', reason, t) end
  if flow then note_member(id, flow, t) end
  to_final(id, queue, 'cancelled', t, 'reason', reason)
  if unique then leave_lock(id, unique) end
  leave_index(id, queue, state)
  if parked then leave_key(id, parked, t) end
  note_ended(id, t)
  return state, 'cancelled'
end

-- Removes a job with all its keys. A final job leaves its index last, where trim finds it if the
-- script breaks; another one leaves it first, so that no slot claims what is half gone. Returns
-- when the window of its lock would have ended; nil if it had none.
local function delete_job(id, queue, state, task, tags, unique, limits)
  local final = is_final(state)
  if not final then leave_index(id, queue, state) end
  if limits then leave_limits(id, limits, final) end
  if state == 'failed' and task then leave_failed(id, task) end
  if tags then leave_tags(id, tags) end
  local window = unique and leave_unique(id, unique) or nil
  drop_ended(id)
  call('UNLINK', key('job', id), key('payload', id), key('result', id), key('attempts', id),
    key('progress', id), key('log', id))
  if final then call('ZREM', key(state, queue), id) end
  return window
end

-- Returns all data of a job: fields and values, payload (false if it is a field), result, progress,
-- records of its runs, due time and log; {} if it is unknown.
local function whole_job(id)
  local state, queue, task, small = fields_of(id, 'state', 'queue', 'task', 'payload')
  if not state and not task then return {} end -- a broken enqueue may leave one field
  local flat = call_or_false('HGETALL', key('job', id)) or {}
  local function part(command, kind, ...) return call_or_false(command, key(kind, id), ...) end
  local due = state == 'scheduled' and queue and call('ZSCORE', key(state, queue), id)
  local payload = not small and part('GET', 'payload')
  return {flat, payload, part('GET', 'result'), part('GET', 'progress'),
    part('LRANGE', 'attempts', 0, -1) or {}, due, part('LRANGE', 'log', 0, -1) or {}}
end
