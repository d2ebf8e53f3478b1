-- Cancel a job that has not started.
-- Moves: scheduled, queued, waiting -> cancelled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id      of the job
--   reason  short code
-- Returns: {the job's state before, its state now}; {} if there is no such job
-- Atomic: a claim in between would run a cancelled job

local job = fields_of(id, 'state', 'queue')
local state, queue = job[1], job[2]
if not state then return {} end
if state ~= 'scheduled' and state ~= 'queued' and state ~= 'waiting' then return {state, state} end
call('ZREM', key(state, queue), id)
final(id, queue, 'cancelled', now(), 'reason', reason)
return {state, 'cancelled'}
