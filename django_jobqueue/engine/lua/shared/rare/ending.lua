-- Functions about the end of a job: its cached value, whom to tell, its row, all that is known.

-- Stores the result of a run as the cached value; `cached` is a digest and seconds. The value of a
-- run that began later stays, unless the start of that run lies in the future.
local function keep_cached(cached, result, id, t)
  local digest, seconds = string.match(cached, '^(%S+) (%d+)$')
  if not digest then return end
  local begun = tonumber(field_of(id, 'attempted_at') or nil) or tonumber(t)
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

-- Returns all data of a job: fields and values, payload, result, progress, records of its runs, due
-- time and log; {} if it is unknown.
local function whole_job(id)
  local flat = call_or_false('HGETALL', key('job', id)) or {}
  if not flat[1] then return {} end
  local function part(command, kind, ...) return call_or_false(command, key(kind, id), ...) end
  local state, queue = fields_of(id, 'state', 'queue')
  local due = state == 'scheduled' and queue and call('ZSCORE', key(state, queue), id)
  return {flat, part('GET', 'payload'), part('GET', 'result'), part('GET', 'progress'),
    part('LRANGE', 'attempts', 0, -1) or {}, due, part('LRANGE', 'log', 0, -1) or {}}
end
