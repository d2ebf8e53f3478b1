-- Functions that several scripts need. Each one that moves a job writes its index, its state and
-- the counters.
local PREFIX = KEYS[1]
local call = redis.call

-- Constants, which the loader writes into the code: a local that functions share costs each call.
local MAX_ATTEMPT_RECORDS = 20
local MAX_WAKE_TOKENS = 64
local MAX_MOVES = 50 -- jobs moved by one call
local MAX_FORGOTTEN = 100 -- workers forgotten by one call
local MINUTE = 60000 -- ms
local COUNTERS_TTL = 90000 -- s
local MAX_PRIORITY = 100
local PRIORITY_STEP = 1e13 -- between the scores of two priorities
local DEFAULT_MAX_RECOVERIES = 2 -- of a record without the field

-- Formats a whole number; Redis and Lua format numbers as fractions, which costs far more.
local function int(number) return string.format('%d', number) end

local function key(kind, name) return PREFIX .. kind .. ':' .. name end

-- Returns the reply to a command; false if it fails, as on a key of another type.
local function pcall_or_false(...)
  local answer = redis.pcall(...)
  return (type(answer) ~= 'table' or not answer.err) and answer
end

-- Returns the values of fields of a hash, in their order; that of an absent field is false. A key
-- of another type has no fields.
local function hash_fields(hash, ...) return unpack(pcall_or_false('HMGET', hash, ...) or {}) end

-- Returns the values of fields of a job's record, as hash_fields does.
local function fields_of(id, ...)
  return unpack(pcall_or_false('HMGET', key('job', id), ...) or {})
end

local function field_of(id, name) return pcall_or_false('HGET', key('job', id), name) end

-- Returns the whole record of a job: fields by name, and the flat list that Redis returns.
local function job_record(id)
  local job, flat = {}, pcall_or_false('HGETALL', key('job', id)) or {}
  for at = 1, #flat, 2 do job[flat[at]] = flat[at + 1] end
  return job, flat
end

-- Removes the key unless it is a hash: no script wrote a key of another type.
local function ensure_hash(name)
  if call('TYPE', name).ok ~= 'hash' then call('UNLINK', name) end
end

-- Lets the script write at maxmemory: its first write decides that, and this one changes nothing
-- and is not a deny-oom command.
local function allow_at_maxmemory() call('ZREM', PREFIX .. 'workers', '') end

-- Returns whether the keys have the epoch that the process attached to. Another one means that the
-- server was emptied or the owner changed: the process must attach again.
local function is_attached(name) return call('HGET', PREFIX .. 'meta', 'epoch') == name end

local function detached() return redis.error_reply('DETACHED these keys are not the known ones') end

-- Counts n events of a queue. Returns whether they are the first such events in this minute.
local function count(event, queue, t, n)
  local minute = key('minute', int(t / MINUTE))
  local first = call('HINCRBY', minute, event .. ':' .. queue, n) == tonumber(n)
  if first then call('EXPIRE', minute, COUNTERS_TTL) end
  return first
end

local function count_total(event) call('HINCRBY', PREFIX .. 'totals', event, '1') end

-- Adds wake tokens, which are only hints: a lost one costs 5 s, an extra one an empty claim.
local function wake(queue, n)
  local tokens = key('wake', queue)
  for _ = 1, math.min(n, MAX_WAKE_TOKENS - call('LLEN', tokens)) do call('RPUSH', tokens, '1') end
end

-- Returns a new score, greater than those of all queued jobs of the same priority.
local function next_score(priority)
  return int((MAX_PRIORITY - (tonumber(priority) or 0)) * PRIORITY_STEP
    + call('INCR', PREFIX .. 'sequence'))
end

-- The next three functions move a job to a state; `...` are further fields and values.
local function to_queued(id, queue, score, ...)
  call('HSET', key('job', id), 'state', 'queued', ...)
  call('ZADD', key('queued', queue), score, id)
end

-- If the job is now the earliest, wakes a slot, which then sleeps only until the job is due.
local function to_scheduled(id, queue, due, ...)
  local index = key('scheduled', queue)
  call('HSET', key('job', id), 'state', 'scheduled', ...)
  call('ZADD', index, due, id)
  if call('ZRANK', index, id) == 0 then wake(queue, 1) end
end

local function to_final(id, queue, state, t, ...)
  call('HSET', key('job', id), 'state', state, 'finished_at', t, ...)
  call('ZADD', key(state, queue), t, id)
  local task = state == 'failed' and field_of(id, 'task')
  if task then call('ZADD', key('failed-of', task), t, id) end
  if state ~= 'cancelled' then count(state, queue, t, '1') end
end

-- Removes a job that is not running from the indexes of its state.
local function leave_index(id, queue, state, task)
  call('ZREM', key(state, queue), id)
  if state == 'failed' and task then call('ZREM', key('failed-of', task), id) end
end

local function delete_job(id, queue, state, task)
  leave_index(id, queue, state, task)
  call('UNLINK', key('job', id), key('payload', id), key('result', id), key('attempts', id),
    key('progress', id), key('log', id))
end

-- Handles an id whose record does not have the state of the index it was in. Without a state, the
-- record is gone or damaged, and the job becomes failed, where people see it.
local function fail_if_damaged(id, queue, t, state)
  if state then return end
  ensure_hash(key('job', id))
  count_total('damaged')
  to_final(id, queue, 'failed', t, 'queue', queue, 'reason', 'damaged', 'enqueued_at',
    field_of(id, 'enqueued_at') or t)
end

-- Adds the record of a run: a line of seven words, then the traceback. `error` holds the seventh
-- word, which is the exception's class or '-', and the traceback.
local function append_attempt(id, attempt, fence, worker, started, t, outcome, error)
  local line = attempt .. ' ' .. (fence or '-') .. ' ' .. (worker or '-') .. ' '
    .. (started or '0') .. ' ' .. t .. ' ' .. outcome .. ' ' .. error
  local records = key('attempts', id)
  local length = pcall_or_false('RPUSH', records, line)
  if not length then
    call('UNLINK', records)
    call('RPUSH', records, line)
  elseif length > MAX_ATTEMPT_RECORDS then
    call('LTRIM', records, -MAX_ATTEMPT_RECORDS, -1)
  end
end

-- Returns when the first job of an index of scheduled jobs is due; nil if there is none.
local function first_due(index)
  local _, due = unpack(call('ZRANGE', index, '0', '0', 'WITHSCORES'))
  return tonumber(due)
end

-- Moves due jobs of a queue. Returns how many it moved, and when the next job is due.
local function promote_due(queue, t, limit)
  local index, moved = key('scheduled', queue), 0
  local due = first_due(index)
  if not due or due > tonumber(t) then return 0, due end
  for _, id in ipairs(call('ZRANGEBYSCORE', index, '-inf', t, 'LIMIT', 0, limit)) do
    call('ZREM', index, id)
    local state, priority = fields_of(id, 'state', 'priority')
    if state == 'scheduled' then
      to_queued(id, queue, next_score(priority))
      moved = moved + 1
    else
      fail_if_damaged(id, queue, t, state)
    end
  end
  if moved > 0 then wake(queue, moved) end
  return moved, first_due(index)
end
