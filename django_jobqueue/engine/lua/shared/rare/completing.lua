-- Functions that store a job that is not to run now, or complete what a broken call has stored.

-- Returns the due time in ms of a new job, given as '' for now, ms, or '+' and ms from now.
local function due_at(due, t)
  local relative = string.match(due, '^%+(.*)')
  return relative and int(t + relative) or due
end

-- Returns when a known job was stored, after adding its index if the call that stored it broke.
local function complete(id, state, due, t)
  local queue, enqueued_at = fields_of(id, 'queue', 'enqueued_at')
  local waits = state == 'queued' or state == 'scheduled' or state == 'waiting'
  if queue and waits and not call('ZSCORE', key(state, queue), id) then
    if state == 'scheduled' and due ~= '' then
      local at = due_at(due, t)
      note_due(queue, at)
      call('ZADD', key(state, queue), at, id)
    else
      ensure_index(id, queue, state, t)
    end
  end
  return enqueued_at or t
end

-- Returns whether a job is stored and not final.
local function is_open(id)
  local state = field_of(id, 'state')
  return state and not is_final(state)
end

-- Returns the ms after which the nominal times of a schedule under a rule are not handled yet (nil
-- if the rule is not in use), and the id of the job that the schedule stored last.
local function since_of(name, rule)
  local begun, high_water, job = hash_fields(key('schedule', name), 'since:' .. rule, 'high_water',
    'job')
  local since = tonumber(begun)
  return since and math.max(since, tonumber(high_water) or 0), job
end
