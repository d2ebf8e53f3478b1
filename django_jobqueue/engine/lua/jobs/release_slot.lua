-- Release the job of a slot whose process has ended.
-- Moves: running -> queued, running -> failed (recovered too often),
--   running -> cancelled (a cancel was requested); waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker  id of the worker
--   slot    name of the slot in its worker
--   nonce   name of this call, drawn as in claim, after the process has ended and before another
--           one takes the slot; a job that was claimed under a greater one stays
--   lost    1: the process ended by itself, which counts as a recovery; 0: it was stopped
--   reason  short code, stored if the job fails
-- Returns: {} or {job id, state now}
-- Atomic: a finish in between could end a job that is then queued again

local wrong = bad_number('lost', lost) or bad_word('nonce', nonce)
if wrong then return wrong end
allow_at_maxmemory()
local slots = key('slots', worker)
local last, queue, id, fence = slot_entry(call('HGET', slots, slot))
if last and nonce < last then return {} end
local state
if id and runs_under(id, fence) then
  state = recover(id, queue, now(), tonumber(lost), reason)
elseif id and field_of(id, 'state') ~= 'running' then
  leave_lease(id, queue, now()) -- there if an earlier call broke
end
call('HDEL', slots, slot)
return state and {id, state} or {}
