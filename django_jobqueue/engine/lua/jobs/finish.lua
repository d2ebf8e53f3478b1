-- Finish a run, and claim the slot's next job in the same call.
-- Moves: running -> succeeded, failed, cancelled, scheduled (retry, delayed release), queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to; with another, nothing is claimed
--   id         id of the job
--   fence      fence of the run
--   outcome    succeeded, failed, cancelled, retried or released
--   result     JSON, or '' for null
--   reason     short code, or ''
--   error      dotted path of the exception's class, a newline and the traceback; or '-'
--   delay      ms until the job may run again (retried, released)
--   cached     if the result is to be the cached value of its task: digest, a space, and the
--              seconds that it is kept without a newer one (0: for ever); else ''
--   worker     id of the worker
--   slot       name of the slot in its worker
--   nonce      name of this call's claim, as in claim
--   lease      ms
--   queues...  names of the queues to claim from; none: nothing is claimed
-- Returns: {reply, now, ...} with what claim returns; reply is 'ok', 'repeated' (an earlier call
--     finished the run), 'cancelled' (a cancel was requested: no other run follows) or
--     'stale' (the run has lost its lease, and the job was not changed)
-- Atomic: else a state could lack its index, or a run that lost its lease could store a result

local t, reply = now(), 'stale'
local state, current, queue, attempts, attempted_at, held_since, cancel =
  fields_of(id, 'state', 'fence', 'queue', 'attempts', 'attempted_at', 'held_since', 'cancel')
if state == 'running' and current == fence then
  reply, attempts = 'ok', tonumber(attempts) or 0
  local released = outcome == 'released'
  local fields = {'settled', fence, 'attempts', int(attempts + (released and 0 or 1))}
  if cancel and outcome ~= 'succeeded' and outcome ~= 'failed' then
    reply, outcome, reason, released = 'cancelled', 'cancelled', cancel, false -- no other run
  end
  call('ZREM', key('leases', queue), id)
  append_attempt(id, int(attempts + 1), fence, worker, attempted_at, t, outcome, error)
  -- The reason is stored if there is one. `held_since` keeps the time of the first release in a row
  -- that has a reason; it is emptied by any other end of a run.
  if held_since == '' then held_since = false end
  if reason ~= '' or held_since then
    fields = {'reason', reason, 'held_since', released and (held_since or t) or '', unpack(fields)}
  end
  if outcome == 'retried' or (released and tonumber(delay) > 0) then
    to_scheduled(id, queue, t + delay, unpack(fields))
    if outcome == 'retried' then count(outcome, queue, t, '1') end
  elseif released then
    local score, priority = fields_of(id, 'score', 'priority')
    to_queued(id, queue, tonumber(score) or next_score(priority), unpack(fields))
    wake(queue, 1)
  else
    if result ~= '' then call('SET', key('result', id), result) end
    if cached ~= '' and outcome == 'succeeded' then keep_cached(cached, result, attempted_at, t) end
    to_final(id, queue, outcome, t, unpack(fields))
  end
elseif field_of(id, 'settled') == fence then reply = 'repeated'
else
  allow_at_maxmemory()
  count_total('stale')
end
if queues[1] and is_attached(epoch) then
  local claimed = reply ~= 'ok' and settle_last_claim(worker, slot, nonce, t)
    or claim(worker, slot, nonce, lease, queues, t)
  return {reply, t, unpack(claimed)}
end
-- A repeated or late call must not remove what the slot has claimed since.
if reply == 'ok' or reply == 'cancelled' then call('HDEL', key('slots', worker), slot) end
-- 'more' to a slot that is not attached: its next claim hears that.
return {reply, t, queues[1] and 'more'}
