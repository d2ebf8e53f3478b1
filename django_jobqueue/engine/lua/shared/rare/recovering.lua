-- Functions that end a run whose process has ended, or that was begun by a call that broke.

-- Ends a run whose process has ended, and queues the job again with its old score. A lost run
-- (`lost` is 1, else 0) counts as a recovery, and after too many of them the job fails. A job
-- whose cancel was requested becomes cancelled. The fence keeps only its number, so that a finish
-- that comes late does not take this for its own work. Returns the job's state now.
local function recover(id, queue, t, lost, reason)
  local recoveries, max_recoveries, score, attempts, fence, worker, attempted_at, priority, cancel,
    round, unique, limits, flow, fair = fields_of(id, 'recoveries', 'max_recoveries', 'score',
      'attempts', 'fence', 'worker', 'attempted_at', 'priority', 'cancel', 'round', 'unique',
      'limits', 'flow', 'fair')
  recoveries = (tonumber(recoveries) or 0) + lost
  local ended = int(run_number(fence)) .. '-'
  local most = tonumber(max_recoveries) or DEFAULT_MAX_RECOVERIES
  if cancel == '' then cancel = false end
  local state = cancel and 'cancelled' or recoveries > most and 'failed' or 'queued'
  if state == 'queued' then
    to_queued(id, queue, t, old_score(queue, priority, fair, score), 'recoveries', int(recoveries),
      'fence', ended)
  else
    if round then note_unsettled(id, round, state, cancel or reason, t) end
    if flow then note_member(id, flow, t) end
    to_final(id, queue, state, t, 'recoveries', int(recoveries), 'reason', cancel or reason,
      'fence', ended)
    if unique then leave_lock(id, unique) end
  end
  call('ZREM', key('leases', queue), id)
  if limits then leave_places(id, limits, t) end
  append_attempt(id, (tonumber(attempts) or 0) + 1, fence, worker, attempted_at, t,
    lost == 1 and 'recovered' or 'released', '-')
  if lost == 1 then
    count_total('recovered')
    count('recovered', queue, t, 1)
  end
  if state == 'failed' then count(state, queue, t, 1) end
  if state ~= 'queued' then note_ended(id, t) end
  return state
end
