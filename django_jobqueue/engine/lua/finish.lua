-- Settle a run, and claim the slot's next job in the same call.
-- Moves: running -> succeeded, failed, cancelled, scheduled (retry, delayed release), queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to; if it is not, nothing is claimed
--   id           of the job
--   fence        of the run
--   outcome      succeeded, failed, cancelled, retried or released
--   result       JSON, or '' for null
--   reason       short code, or ''
--   error        dotted path of the exception's class, a newline and the traceback; or '-'
--   delay        ms until it may run again (retried, released)
--   latest       if the result is to be the latest value of its task: digest, a space, and
--                seconds until it goes without a newer one (0: never); else ''
--   worker       id of the worker
--   slot         name of the slot in its worker
--   nonce        name of this call's claim, as in claim
--   lease        ms
--   queues...    to claim the next job from; none: the slot stops
-- Returns: {verdict, now, ...} with what claim returns; verdict is 'ok', or
--   'again' (it was settled by an earlier call), 'cancelled' (that was wanted: no other run),
--   'stale' (the run has lost its lease, and nothing was changed)
-- Atomic: a state without its index, or a result of a run that lost its lease

local t = now()
local job = fields_of(id, 'state', 'fence', 'queue', 'attempts', 'attempted_at', 'held_since',
  'cancel', 'settled', 'place', 'priority')
local verdict = job[8] == fence and 'again' or 'stale'
if job[1] == 'running' and job[2] == fence then
  verdict = 'ok'
  local queue, attempts, released = job[3], tonumber(job[4]) or 0, outcome == 'released'
  local fields = {'settled', fence, 'attempts', attempts + (released and 0 or 1)}
  if job[7] and outcome ~= 'succeeded' and outcome ~= 'failed' then
    verdict, outcome, reason, released = 'cancelled', 'cancelled', job[7], false -- no other run
  end
  call('ZREM', key('leases', queue), id)
  record(id, attempts + 1, fence, worker, job[5], t, outcome, error)
  local held = job[6] ~= '' and job[6]
  if reason ~= '' or held then
    fields[5], fields[6] = 'reason', reason
    fields[7], fields[8] = 'held_since', released and (held or t) or ''
  end
  if outcome == 'retried' or (released and tonumber(delay) > 0) then
    to_scheduled(id, queue, t + delay, unpack(fields))
    count(outcome, queue, t, '1')
  elseif released then
    to_queued(id, queue, tonumber(job[9]) or last_place(job[10]), unpack(fields))
    wake(queue, 1)
  else
    if result ~= '' then call('SET', key('result', id), result) end
    if latest ~= '' and outcome == 'succeeded' then keep(latest, result, job[5], t) end
    final(id, queue, outcome, t, unpack(fields))
  end
elseif verdict == 'stale' then
  allow_at_maxmemory()
  note('stale')
end
if queues[1] and is_attached(epoch) then
  local given = verdict ~= 'ok' and claimed_before(worker, slot, nonce, t)
    or claim(worker, slot, nonce, lease, queues, t)
  return {verdict, t, unpack(given)}
end
-- A call that comes once more or late may find what the slot has claimed since.
if verdict == 'ok' or verdict == 'cancelled' then call('HDEL', key('slots', worker), slot) end
return {verdict, t, queues[1] and 'more'}
