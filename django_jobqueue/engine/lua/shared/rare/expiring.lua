-- Functions about jobs that nobody wants any more once they are the next ones.

-- Cancels a queued job that is not to be started. `job` has the fields of its record.
local function end_unrun(id, queue, job, reason, t)
  if job.round then note_unsettled(id, job.round, 'cancelled', reason, t) end
  if job.flow then note_member(id, job.flow, t) end
  to_final(id, queue, 'cancelled', t, 'reason', reason)
  if job.unique then leave_lock(id, job.unique, true) end
  call('ZREM', key('queued', queue), id)
  if job.parked then leave_key(id, job.parked, t) end
  note_ended(id, t)
end

-- Ends a queued job that was not started by the time in `expires`. Returns whether it did.
local function end_if_expired(id, queue, job, t)
  if job.fence or not has_expired(job.expires, job.enqueued_at, t) then return false end
  end_unrun(id, queue, job, 'expired', t)
  return true
end
