-- Functions that set right what a broken script left behind, and that promote due jobs: both meet
-- ids whose records say something else.

-- Removes the key unless it is a hash: no script wrote a key of another type.
local function ensure_hash(name)
  if call('TYPE', name).ok ~= 'hash' then call('UNLINK', name) end
end

-- Handles an id that an index holds though the record has another state: a script broke between
-- the two, or the record is damaged. The id leaves the index once the right one holds it. A record
-- without a known state becomes failed, where people see it.
local function correct_index(id, index, queue, t)
  local state, own_queue, enqueued_at, round, flow =
    fields_of(id, 'state', 'queue', 'enqueued_at', 'round', 'flow')
  if is_known(state) and own_queue then
    ensure_index(id, own_queue, state, t)
  else
    ensure_hash(key('job', id))
    if round then note_unsettled(id, round, 'failed', 'damaged', t) end
    if flow then note_member(id, flow, t) end
    to_final(id, queue, 'failed', t, 'queue', queue, 'reason', 'damaged', 'enqueued_at',
      enqueued_at or t)
    count_total('damaged')
    count('failed', queue, t, 1)
    note_ended(id, t)
  end
  local task = index == 'failed' and field_of(id, 'task')
  if task then leave_failed(id, task) end
  if index == 'leases' then leave_lease(id, queue, t) else call('ZREM', key(index, queue), id) end
end

-- Moves due jobs of a queue. Returns how many ids it handled.
local function promote_due(queue, t, limit)
  local index = key('scheduled', queue)
  local ids = call('ZRANGEBYSCORE', index, '-inf', t, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local state, priority, own_queue, fair = fields_of(id, 'state', 'priority', 'queue', 'fair')
    if state == 'scheduled' and own_queue == queue then
      to_queued(id, queue, t, new_score(queue, priority, fair))
      call('ZREM', index, id)
    else
      correct_index(id, 'scheduled', queue, t)
    end
  end
  local _, due = unpack(call('ZRANGE', index, '0', '0', 'WITHSCORES'))
  if due then call('ZADD', PREFIX .. 'due', due, queue)
  else call('ZREM', PREFIX .. 'due', queue) end
  return #ids
end

-- Moves due jobs of all queues. Returns how many ids it handled, and when the next job is due in
-- ms; nil if there is none.
local function promote(t, limit)
  local handled = 0
  while true do
    local queue, due = unpack(call('ZRANGE', PREFIX .. 'due', '0', '0', 'WITHSCORES'))
    if due and tonumber(due) <= tonumber(t) and handled < limit then
      handled = handled + math.max(1, promote_due(queue, t, limit - handled))
    else
      if due then call('HSET', PREFIX .. 'meta', 'due', due)
      else call('HDEL', PREFIX .. 'meta', 'due') end
      return handled, tonumber(due)
    end
  end
end
