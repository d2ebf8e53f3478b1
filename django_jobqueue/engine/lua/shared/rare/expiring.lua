-- Functions about jobs that nobody wants any more once their time is over.

-- Ends a queued job that was not started by the time in `expires`. Returns whether it did.
local function end_if_expired(id, queue, job, t)
  if job.fence or not has_expired(job.expires, job.enqueued_at, t) then return false end
  if job.round then note_unsettled(id, job.round, 'cancelled', 'expired', t) end
  to_final(id, queue, 'cancelled', t, 'reason', 'expired')
  if job.unique then leave_lock(id, job.unique) end
  call('ZREM', key('queued', queue), id)
  note_ended(id, t)
  return true
end
