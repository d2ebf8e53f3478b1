-- Functions that let a job run, or wait, again.

-- Writes the index of a job that is to wait, and its state; see to_queued.
local function to_waiting(id, queue, score, ...)
  call('ZADD', key('waiting', queue), score, id)
  call('HSET', key('job', id), 'state', 'waiting', ...)
end

-- Returns the fields that tell of earlier runs, and the time in which the first one was to start:
-- emptied by the write that requeues the job, then removed.
local function forget_runs(state, ...)
  if state == 'scheduled' then return {} end
  return {'attempts', '0', 'recoveries', '0', 'reason', '', 'finished_at', '', 'took', '',
    'started_at', '', 'attempted_at', '', 'held_since', '', 'cancel', '', 'expires', '', ...}
end

-- Drops what earlier runs of a requeued job have left, and notes that it was requeued.
local function drop_runs(id, t)
  call('UNLINK', key('result', id), key('progress', id))
  call('HDEL', key('job', id), 'attempts', 'recoveries', 'reason', 'finished_at', 'took',
    'started_at', 'attempted_at', 'held_since', 'cancel', 'expires')
  call_or_false('ZREM', PREFIX .. 'short-lived', id)
  append_attempt(id, 0, nil, nil, t, t, 'requeued', '-')
end
