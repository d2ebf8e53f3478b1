-- Give back the job of a slot whose process is gone.
-- Moves: running -> queued, running -> failed (recovered too often),
--   running -> cancelled (somebody wanted it)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   worker  id of the worker
--   slot    name of the slot in its worker
--   nonce   name of this call, drawn as in claim after the process's end and before another
--     takes the slot's name: what was claimed under a greater one stays
--   lost    1: the process died by itself, which counts as a recovery; 0: it was stopped
--   reason  short code for a job that fails by this
-- Returns: {} or {job id, its state now}
-- Atomic: the job would stand in no index, or in two

local last, queue, id, fence = string.match(call('HGET', key('slots', worker), slot) or '',
  '^(%S+) (%S+) (%S+) (%S+)')
if last and nonce < last then return {} end
call('HDEL', key('slots', worker), slot)
if not id then return {} end
local job = fields_of(id, 'state', 'fence')
if job[1] ~= 'running' or job[2] ~= fence then return {} end
return {id, recover(id, queue, now(), tonumber(lost), reason)}
