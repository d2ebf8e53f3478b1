-- Functions that move a job, or write what a run leaves behind.

local function field_of(id, name) return call_or_false('HGET', key('job', id), name) end

local function is_final(state)
  return state == 'succeeded' or state == 'failed' or state == 'cancelled'
end

-- Returns the number of the run that a fence names.
local function run_number(fence) return tonumber(string.match(fence or '', '^%d+')) or 0 end

-- Returns the fence of the run that a claim with this nonce starts after the run of `fence`.
local function next_fence(fence, nonce)
  return int(run_number(fence) + 1) .. '-' .. string.sub(nonce, -8)
end

-- Returns the values of fields of a hash, in their order; that of an absent field is false. A key
-- of another type has no fields.
local function hash_fields(hash, ...) return unpack(call_or_false('HMGET', hash, ...) or {}) end

local function count_total(event) call('HINCRBY', PREFIX .. 'totals', event, '1') end

-- Puts a token into the wake list of a queue, and into that of the slots that serve all queues,
-- unless one stands there. A token is only a hint: a lost one costs 5 s, an extra one an empty
-- claim.
local function wake(queue)
  local own, all = key('wake', queue), PREFIX .. 'wake:*'
  if call('LLEN', own) == 0 then call('RPUSH', own, '1') end
  if call('LLEN', all) == 0 then call('RPUSH', all, '1') end
end

-- Notes that a queue is about to have a job to claim, and wakes a slot if it had none: only then do
-- slots sleep that could claim it. A paused queue has none. The score orders the queues for slots
-- that serve all of them: the one that waits longest comes first.
local function note_work(queue, t)
  if call('ZSCORE', PREFIX .. 'work', queue) then return end
  call('ZADD', PREFIX .. 'names', '0', queue)
  if call('HGET', PREFIX .. 'meta', 'paused:' .. queue) then return end
  call('ZADD', PREFIX .. 'work', t, queue)
  wake(queue)
end

-- Notes that a queue is about to have a job that is due then, and wakes a slot if it is the first
-- of its queue: slots sleep until then. `due` in `meta` is the first of all queues.
local function note_due(queue, due)
  local known = call('ZSCORE', PREFIX .. 'due', queue)
  if known and tonumber(known) <= tonumber(due) then return end
  if not known then call('ZADD', PREFIX .. 'names', '0', queue) end
  call('ZADD', PREFIX .. 'due', due, queue)
  local soonest = tonumber(call('HGET', PREFIX .. 'meta', 'due'))
  if not soonest or soonest > tonumber(due) then call('HSET', PREFIX .. 'meta', 'due', due) end
  wake(queue)
end

-- Removes a queue from those that have jobs to claim if it has none.
local function note_no_work(queue)
  if call('ZCARD', key('queued', queue)) > 0 then return end
  call('ZREM', PREFIX .. 'work', queue)
  forget_fair(queue)
end

-- The next two functions write the new index of a job and its state; `...` are further fields and
-- values. The caller then removes the job from its old index.
local function to_queued(id, queue, t, score, ...)
  note_work(queue, t)
  call('ZADD', key('queued', queue), score, id)
  call('HSET', key('job', id), 'state', 'queued', ...)
  wake(queue)
end

local function to_scheduled(id, queue, due, ...)
  note_due(queue, due)
  call('ZADD', key('scheduled', queue), due, id)
  call('HSET', key('job', id), 'state', 'scheduled', ...)
end

-- Adds a member to a sorted set that all queues share. A key of another type goes: no script wrote
-- it, and it would stop them all.
local function add_to_set(set, score, member)
  if call_or_false('ZADD', set, score, member) then return end
  call('UNLINK', set)
  call('ZADD', set, score, member)
end

-- Writes the indexes of a final state, and the state; see to_queued.
local function to_final(id, queue, state, t, ...)
  local task = state == 'failed' and field_of(id, 'task')
  call('ZADD', key(state, queue), t, id)
  if task then
    add_to_set(PREFIX .. 'failed-tasks', t, task)
    call('ZADD', key('failed-of', task), t, id)
  end
  call('HSET', key('job', id), 'state', state, 'finished_at', t, ...)
end

-- Removes a job from the failed ones of its task, and the task once it has none.
local function leave_failed(id, task)
  call('ZREM', key('failed-of', task), id)
  if call('ZCARD', key('failed-of', task)) == 0 then
    call_or_false('ZREM', PREFIX .. 'failed-tasks', task)
  end
end

-- Removes a job that is not running from the indexes of a state.
local function leave_index(id, queue, state, task)
  if state == 'failed' and task then leave_failed(id, task) end
  call('ZREM', key(state, queue), id)
  if state == 'queued' or state == 'waiting' then note_no_work(queue) end
end

-- Drops the note of a job's end, because the job is gone or is to run again.
local function drop_ended(id) call_or_false('ZREM', PREFIX .. 'ended', id) end

-- Removes a job from all indexes but that of its state: a call that broke may have left it there.
local function leave_other_indexes(id, queue, state, task)
  for _, other in ipairs({'scheduled', 'queued', 'waiting', 'succeeded', 'failed', 'cancelled'}) do
    if other ~= state then leave_index(id, queue, other, task) end
  end
end

-- Adds the record of a run: a line of seven words, then the traceback. `error` holds the seventh
-- word, which is the exception's class or '-', and the traceback.
local function append_attempt(id, attempt, fence, worker, started, t, outcome, error)
  local line = int(attempt) .. ' ' .. (fence or '-') .. ' ' .. (worker or '-') .. ' '
    .. (started or '0') .. ' ' .. t .. ' ' .. outcome .. ' ' .. error
  local records = key('attempts', id)
  local length = call_or_false('RPUSH', records, line)
  if not length then
    call('UNLINK', records)
    call('RPUSH', records, line)
  elseif length > MAX_ATTEMPT_RECORDS then
    call('LTRIM', records, -MAX_ATTEMPT_RECORDS, -1)
  end
end
