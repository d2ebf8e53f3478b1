-- Give a slot the next job of its queues, with a lease and a new fence.
-- Moves: queued -> running; scheduled -> queued (due jobs); queued -> failed (damaged jobs);
--   queued -> cancelled (jobs that have expired, or are skipped); queued -> waiting (a full key);
--   waiting -> queued (admitted);
--   running -> queued, failed (recovered too often), cancelled (a cancel was requested): the
--   job that a lost process of this slot had claimed
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to
--   worker     id of the worker
--   slot       name of the slot in its worker
--   nonce      name of this call: greater than all before it of the slot, of the same length, its
--              last 12 characters random; the nonce of the slot's running job returns that job
--              again, a smaller one returns none
--   lease      ms
--   queues...  names, in the order in which they are tried; * stands for all queues: `default`
--              first, then in turn
-- Returns: {'job', id, queue, fence, now, payload unless it is a field, fields and values of the
--     record before this claim (a repeated call: after it), records of earlier runs}; {'more'} if
--     the slot is to claim again, because only jobs that can't run were found so far; {'none', ms
--     until the next job is due, or may start by its rate, or -1}; error DETACHED
-- Atomic: two slots could claim the same job

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
local function settle_last_claim(t)
  local last, queue, id, fence = slot_entry(call('HGET', key('slots', worker), slot))
  if not id or not runs_under(id, fence) then return nil end
  if nonce == last then
    call('ZREM', key('queued', queue), id) -- there if the first call broke
    return job_reply(id, queue, fence, t, call('HGETALL', key('job', id)), field_of(id, 'payload'))
  end
  if nonce < last then return {'none', -1} end
  recover(id, queue, t, 1, 'lost')
end

-- The slot used up the token that woke it: adds one to each of its wake lists that needs one.
local function pass_token_on(name)
  local tokens, work = key('wake', name), PREFIX .. 'work'
  if call('LLEN', tokens) > 0 then return end
  local left = name == '*' and call('ZCARD', work) > 0 or name ~= '*' and call('ZSCORE', work, name)
  if left then call('RPUSH', tokens, '1') end
end

if not is_attached(epoch) then return detached() end
local wrong = not is_claim(worker, slot, nonce, lease)
  and bad_word_of_claim(worker, slot, nonce, lease)
  or not queues[1] and bad_argument('queues', '', 'at least one name')
if wrong then return wrong end
allow_at_maxmemory()
local t = now()
call('ZADD', PREFIX .. 'workers', 'NX', t, worker) -- so that it is forgotten if it never renews
local claimed = settle_last_claim(t)
if claimed then return claimed end
claimed = claim(epoch, worker, slot, nonce, lease, queues, t)
if unpack(claimed) == 'job' then
  for _, name in ipairs(queues) do pass_token_on(name) end
end
return claimed
