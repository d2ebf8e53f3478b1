-- Give a slot the next job of its queues, with a lease and a new fence.
-- Moves: queued -> running; scheduled -> queued (due ones); queued -> failed (damaged ones);
--   running -> queued, failed (recovered too often), cancelled (somebody wanted it): what the
--   slot's dead process had claimed
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   worker       id of the worker
--   slot         name of the slot in its worker
--   nonce        name of this call, greater than those before it of the slot and random in its
--     last 12 characters; the same again returns the same job, a smaller one than the slot's
--     running job has returns none
--   lease        ms
--   queues...    names, in the order in which they are tried
-- Returns: {'job', id, queue, fence, now, payload, fields and values of the record as it was
--   before, records of earlier runs}; {'more'}; {'none', ms until the next due job or -1}
--   (or the error DETACHED)
-- Atomic: a job popped without a lease would be lost with its worker

if not is_attached(epoch) then return detached() end
local t = now()
local given = claimed_before(worker, slot, nonce, t)
if given then return given end
given = claim(worker, slot, nonce, lease, queues, t)
-- The token that brought the slot here is gone: it passes one on if it leaves more behind.
if given[1] == 'job' then
  local queue = given[3]
  if call('LLEN', key('wake', queue)) == 0 and call('ZCARD', key('queued', queue)) > 0 then
    wake(queue, 1)
  end
end
return given
