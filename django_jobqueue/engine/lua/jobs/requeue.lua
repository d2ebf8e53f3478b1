-- Run a final job again from the start, or a scheduled one now.
-- Moves: succeeded, failed, cancelled, scheduled -> queued; members of workflows:
--   cancelled -> waiting; waiting -> queued; scheduled, queued, waiting -> cancelled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   id     id of the job
--   nonce  random name of this call; a repeated call has the same one, and changes nothing
--   round  that of the row of a durable job, which was opened for it; else ''. A job that is not
--          final only takes it over
-- Returns: {state before, state now}; {} if there is no such job; {state, state, round} of a final
--     durable job that needs a greater round; {state, state, '', id} of a final job whose lock the
--     job with that id holds; {state, state, '', '', id} of a final member of a workflow whose
--     parent with that id has not succeeded, or 'unsealed' for the id; error DETACHED
-- Atomic: two calls could queue the job twice

local wrong = bad_word('nonce', nonce) or round ~= '' and bad_number('round', round)
if wrong then return wrong end
local state, queue, task, priority, requeued, known, unique, limits = fields_of(id, 'state',
  'queue', 'task', 'priority', 'requeued', 'round', 'unique', 'limits')
local flow, step, fair = fields_of(id, 'flow', 'step', 'fair')
if not state then return {} end
local is_repeated = requeued == nonce or round ~= '' and round == known
local is_in_line = state == 'queued' or state == 'waiting'
if is_repeated and is_in_line then
  leave_other_indexes(id, queue, state, task)
  drop_ended(id)
end
local is_newer = round ~= '' and tonumber(round) > (tonumber(known) or 0)
allow_at_maxmemory()
if is_newer and not is_final(state) then
  call('HSET', key('job', id), 'round', round)
  return {state, state}
end
if is_repeated or is_in_line or state == 'running' then return {state, state} end
local t = now()
local holder = is_final(state) and unique and holder_of(words_of_unique(unique), t)
if holder and holder ~= id then return {state, state, '', holder} end
if known and not is_newer and state ~= 'scheduled' then return {state, state, known} end
local bar = flow and is_final(state) and bar_of(flow, step)
if bar and bar ~= 'open' then return {state, state, '', '', bar} end
write_first_run(id, state)
if unique and is_final(state) then take_lock(id, unique, t) end
if limits and is_final(state) then note_older(id, limits) end
if flow and is_final(state) then note_again(id, flow, t) end
local fields = is_newer and forget_runs(state, 'round', round) or forget_runs(state)
local score = bar and new_plain_score(priority) or new_score(queue, priority, fair)
if bar then to_waiting(id, queue, score, 'requeued', nonce, unpack(fields))
else to_queued(id, queue, t, score, 'requeued', nonce, unpack(fields)) end
leave_index(id, queue, state, task)
drop_ended(id)
if state ~= 'scheduled' then drop_runs(id, t) end
if flow then follow_notes(MAX_MOVES, t) end
return {state, bar and 'waiting' or 'queued'}
