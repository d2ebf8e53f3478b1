-- Put a job that waits into another queue. A queued one gets the last place of its priority there;
-- another one keeps its time, or its turn at its key.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   id     id of the job
--   queue  name of the other queue
-- Returns: {state, '1' if it waits in that queue now or ''}; {} if there is no such job; error
--     DETACHED
-- Atomic: a claim in between would leave a running job among those that wait

local wrong = bad_queue(queue)
if wrong then return wrong end
local state, source, priority, fair = fields_of(id, 'state', 'queue', 'priority', 'fair')
if not state then return {} end
local can_move = source and (state == 'queued' or state == 'scheduled' or state == 'waiting')
if not can_move then return {state, ''} end
allow_at_maxmemory()
local t = now()
if state == 'waiting' then
  -- Its key or its workflow holds it too, and finds it by the record: no index may stay behind.
  local turn = call('ZSCORE', key(state, source), id)
  if source ~= queue then leave_index(id, source, state) end
  call('ZADD', PREFIX .. 'names', '0', queue)
  call('HSET', key('job', id), 'queue', queue)
  if turn then call('ZADD', key(state, queue), turn, id) end
  ensure_index(id, queue, state, t)
elseif source ~= queue then
  -- The record comes last, because a repeat has to know the old queue. If none comes, a claim or a
  -- promotion puts the id back where the record says.
  local target = key(state, queue)
  local due = call('ZSCORE', key(state, source), id) or call('ZSCORE', target, id) or t
  if state == 'queued' then note_work(queue, t) else note_due(queue, due) end
  call('ZADD', target, state == 'queued' and new_score(queue, priority, fair) or due, id)
  leave_index(id, source, state)
  call('HSET', key('job', id), 'queue', queue)
end
if state == 'queued' then wake(queue) end
return {state, '1'}
