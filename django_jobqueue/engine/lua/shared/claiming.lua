-- Functions that give a job to a slot, and recover it when the slot's process has ended.

-- Returns whether a job still runs under this fence.
local function runs_under(id, fence)
  local state, current = fields_of(id, 'state', 'fence')
  return state == 'running' and current == fence
end

-- Returns the last claim of a slot: nonce, queue, id and fence.
local function slot_entry(text) return string.match(text or '', '^(%S+) (%S+) (%S+) (%S+)') end

-- Ends a run whose process has ended, and queues the job again with its old score. A lost run
-- (`lost` is 1, else 0) counts as a recovery, and after too many of them the job fails. A job
-- whose cancel was requested becomes cancelled. Returns the job's state now.
local function recover(id, queue, t, lost, reason)
  call('ZREM', key('leases', queue), id)
  local recoveries, max_recoveries, score, attempts, fence, worker, attempted_at, priority, cancel =
    fields_of(id, 'recoveries', 'max_recoveries', 'score', 'attempts', 'fence', 'worker',
      'attempted_at', 'priority', 'cancel')
  recoveries = (tonumber(recoveries) or 0) + lost
  append_attempt(id, (tonumber(attempts) or 0) + 1, fence, worker, attempted_at, t,
    lost == 1 and 'recovered' or 'released', '-')
  if lost == 1 then count_total('recovered') end
  local most = tonumber(max_recoveries) or DEFAULT_MAX_RECOVERIES
  local state = cancel and 'cancelled' or recoveries > most and 'failed'
  if state then
    to_final(id, queue, state, t, 'recoveries', recoveries, 'reason', cancel or reason)
    return state
  end
  to_queued(id, queue, tonumber(score) or next_score(priority), 'recoveries', recoveries)
  wake(queue, 1)
  return 'queued'
end

-- Returns all that a slot needs to run the job; `flat` is its record as the caller read it.
local function job_reply(id, queue, fence, t, flat)
  -- A fence that starts with 1- is that of the first run: there are no records of runs yet.
  local runs = string.sub(fence, 1, 2) ~= '1-'
    and pcall_or_false('LRANGE', key('attempts', id), '0', '-1')
  return {'job', id, queue, fence, t, pcall_or_false('GET', key('payload', id)), flat, runs or {}}
end

local function start(id, queue, score, worker, slot, nonce, lease, t, job, flat)
  local run = (tonumber(string.match(job.fence or '', '^%d+')) or 0) + 1
  local fence = int(run) .. '-' .. string.sub(nonce, -12)
  call('HSET', key('job', id), 'state', 'running', 'worker', worker, 'fence', fence,
    'attempted_at', t, 'score', score, 'started_at', job.started_at or t)
  call('ZADD', key('leases', queue), int(t + lease), id)
  call('HSET', key('slots', worker), slot, nonce .. ' ' .. queue .. ' ' .. id .. ' ' .. fence)
  return job_reply(id, queue, fence, t, flat)
end

-- Handles the last job of a slot before the slot claims another. The nonces of a slot rise, and it
-- claims only when it runs nothing; but its calls may arrive late, or in another order.
--
--   last job       nonce of the call   effect
--   does not run   any                 the slot claims
--   runs           the same            the job is returned again: the first reply was lost
--   runs           smaller             no job is returned: the call is late, its caller no longer
--                                      waits, and the slot keeps its job
--   runs           greater             the job is recovered as if reaped: its process ended
--                                      before it received the job; then the slot claims
--
-- Returns the reply to the call, or nil if the slot is to claim.
local function settle_last_claim(worker, slot, nonce, t)
  local last, queue, id, fence = slot_entry(call('HGET', key('slots', worker), slot))
  if not id then return nil end
  if not runs_under(id, fence) then return nil end
  if nonce == last then return job_reply(id, queue, fence, t, select(2, job_record(id))) end
  if nonce < last then return {'none', -1} end
  recover(id, queue, t, 1, 'lost')
end

-- Gives the slot the first job of its queues, tried in order. Returns {'job', ...}, or {'more'}
-- after MAX_MOVES ids that can't run, or {'none', ms until the next job is due or -1}.
local function claim(worker, slot, nonce, lease, queues, t)
  local skipped, due, wake_keys = 0, nil, {}
  for _, queue in ipairs(queues) do
    wake_keys[#wake_keys + 1] = key('wake', queue)
    if call('SISMEMBER', PREFIX .. 'paused', queue) == 0 then
      local _, next_due = promote_due(queue, t, MAX_MOVES)
      if next_due and (not due or next_due < due) then due = next_due end
      local id, score = unpack(call('ZPOPMIN', key('queued', queue)))
      while id do
        local job, flat = job_record(id)
        if job.state == 'queued' then
          return start(id, queue, score, worker, slot, nonce, lease, t, job, flat)
        end
        fail_if_damaged(id, queue, t, job.state)
        skipped = skipped + 1
        if skipped == MAX_MOVES then return {'more'} end
        id, score = unpack(call('ZPOPMIN', key('queued', queue)))
      end
    end
  end
  -- The tokens are void now: with them, the slot's next wait would end at once.
  if #wake_keys > 0 then call('DEL', unpack(wake_keys)) end
  call('HDEL', key('slots', worker), slot)
  return {'none', due and math.max(0, due - t) or -1}
end
