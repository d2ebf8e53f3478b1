-- Functions about jobs that nobody wants any more once their time is over.

-- Ends a queued job that was not started by the time in `expires`, which is ms, or '+' and ms from
-- when it was stored. Returns whether it did; a text that is no time ends nothing.
local function end_if_expired(id, queue, job, t)
  local plus, ms = string.match(job.expires, '^(%+?)(%d+)$')
  local from = plus ~= '+' and 0 or tonumber(job.enqueued_at) or t
  if job.fence or not ms or from + ms > tonumber(t) then return false end
  if job.round then note_unsettled(id, job.round, 'cancelled', 'expired', t) end
  to_final(id, queue, 'cancelled', t, 'reason', 'expired')
  call('ZREM', key('queued', queue), id)
  note_ended(id, t)
  return true
end
