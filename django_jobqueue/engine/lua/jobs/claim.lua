-- Give a slot the next job of its queues, with a lease and a new fence.
-- Moves: queued -> running; scheduled -> queued (due jobs); queued -> failed (damaged jobs);
--   running -> queued, failed (recovered too often), cancelled (a cancel was requested): the
--   job that a lost process of this slot had claimed
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to
--   worker     id of the worker
--   slot       name of the slot in its worker
--   nonce      name of this call: greater than all before it of the slot, its last 12 characters
--              random; the nonce of the slot's running job returns that job again, a smaller
--              one returns none
--   lease      ms
--   queues...  names, in the order in which they are tried
-- Returns: {'job', id, queue, fence, now, payload, fields and values of the record before this
--     claim (a repeated call: after it), records of earlier runs}; {'more'} if only jobs that
--     can't run were found; {'none', ms until the next due job or -1}; error DETACHED
-- Atomic: a job that is popped without a lease would be lost with its worker

local t = now()
local claimed = settle_last_claim(worker, slot, nonce, t)
if claimed then return claimed end
claimed = claim(worker, slot, nonce, lease, queues, t)
local found, _, queue = unpack(claimed)
-- The slot used up the token that woke it: add one if more jobs are left.
if found == 'job' and call('LLEN', key('wake', queue)) == 0
  and call('ZCARD', key('queued', queue)) > 0 then
  wake(queue, 1)
end
return claimed
