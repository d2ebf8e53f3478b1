-- Functions about jobs that nobody wants any more once they are the next ones.

-- Cancels a queued job that is not to be started. `job` has the fields of its record.
local function end_unrun(id, queue, job, reason, t)
  if job.round then note_unsettled(id, job.round, 'cancelled', reason, t) end
  to_final(id, queue, 'cancelled', t, 'reason', reason)
  call('ZREM', key('queued', queue), id)
  if job.parked then leave_key(id, job.parked, t) end
  note_ended(id, t)
end

-- Ends a queued job that was not started by the time in `expires`, which is ms, or '+' and ms from
-- when it was stored. Returns whether it did; a text that is no time ends nothing.
local function end_if_expired(id, queue, job, t)
  local plus, ms = string.match(job.expires, '^(%+?)(%d+)$')
  local from = plus ~= '+' and 0 or tonumber(job.enqueued_at) or t
  if job.fence or not ms or from + ms > tonumber(t) then return false end
  end_unrun(id, queue, job, 'expired', t)
  return true
end
