-- Finish a run, and claim the slot's next job in the same call.
-- Moves: running -> succeeded, failed, cancelled, scheduled (retry, delayed release), queued;
--   waiting -> queued; of workflows: scheduled, queued, waiting -> cancelled -> waiting
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to; with another, nothing is claimed
--   id         id of the job
--   fence      fence of the run
--   outcome    succeeded, failed, cancelled, retried or released
--   result     JSON, or '' for null
--   reason     short code, or ''
--   error      dotted path of the exception's class, newline, traceback; or '-'
--   delay      ms until the job may run again (retried, released)
--   cached     of a cached value: its digest, a space, seconds that it is kept (0: ever); else ''
--   keep       ms, from 60000, that the job is kept if it succeeds and the retention is longer; ''
--   untold     1: the caller is no slot, and tells nobody that the job has ended; else 0
--   settled    state that the row of a durable job has got; stale: another run holds it; else ''
--   signed     of a member of a workflow: version and signature of its result; else ''
--   worker     id of the worker
--   slot       name of the slot in its worker
--   nonce      name of this call's claim, as in claim
--   lease      ms
--   queues...  names of the queues to claim from, as in claim; none: nothing is claimed
-- Returns: {reply, now, ...} with what claim returns; reply is 'ok', 'repeated' (an earlier call
--     ended the run), 'cancelled' (no other run follows) or 'stale' (its lease is lost: no change).
--     After 'repeated', 'stale' and with another epoch {reply, now, 'more'}: claim with this nonce
-- Atomic: a run that lost its lease could store a result, or two runs could end one job

local is_first_success = outcome == 'succeeded' and string.sub(fence, 1, 2) == '1-'
  and reason == '' and untold == '0'
local wrong = not is_first_success and bad_end(outcome, delay, error)
  or keep ~= '' and bad_number('keep', keep)
  or not is_claim(worker, slot, nonce, lease) and bad_word_of_claim(worker, slot, nonce, lease)
if wrong then return wrong end
local t, reply = now(), 'ok'
local state, current, queue, cancel, round, unique, limits, flow, attempted_at = fields_of(id,
  'state', 'fence', 'queue', 'cancel', 'round', 'unique', 'limits', 'flow', 'attempted_at')
local holds = state == 'running' and current == fence
if flow then allow_at_maxmemory() end
if holds and flow and outcome == 'succeeded' then pass_on(flow, signed, result) end
if not holds then
  reply = refuse(id, fence, worker, nonce, outcome, error, t)
elseif is_first_success then
  -- The record of such a run is not written: it would tell what the job's own fields tell.
  if result ~= '' then call_at_maxmemory('SET', key('result', id), result) end
  if cached ~= '' then keep_cached(cached, result, id, t) end
  call_at_maxmemory('ZADD', key('succeeded', queue), t, id)
  if round and settled ~= outcome then note_unsettled(id, round, outcome, '', t) end
  if keep ~= '' then keep_for(id, keep, t) end
  if flow then note_member(id, flow, t) end
  local took = math.max(0, t - (tonumber(attempted_at) or t)) -- shorter than a time
  call('HSET', key('job', id), 'state', 'succeeded', 'took', int(took))
  call('HDEL', key('job', id), 'score', 'finished_at') -- the latter if the record was damaged
  if unique then leave_lock(id, unique) end
  call('ZREM', key('leases', queue), id)
  if limits then leave_places(id, limits, t) end
  count('succeeded', queue, t, 1)
else
  reply = end_run(id, queue, fence, worker, outcome, result, reason, error, delay, cached, keep,
    cancel, untold, round, settled, t)
end
if flow then follow_notes(MAX_MOVES, t) end
local is_ended = reply == 'ok' or reply == 'cancelled'
local claimed = is_ended and queues[1]
  and claim(epoch, worker, slot, nonce, lease, queues, t)
if claimed then return {reply, t, unpack(claimed)} end
-- A repeated or late call must not remove what the slot has claimed since.
if is_ended then call('HDEL', key('slots', worker), slot) end
return {reply, t, queues[1] and 'more'}
