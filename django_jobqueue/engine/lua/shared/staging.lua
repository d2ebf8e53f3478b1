-- Functions that store members of a workflow.

-- Returns, of the words of a job, the number of a member, or the name of a callback; the step that
-- it feeds; and its tags.
local function place_of(...)
  local words, found = {...}, {}
  for at = 1, #words, 2 do
    local name, value = unpack(words, at, at + 1)
    found[name] = value
  end
  local number, feeds = string.match(found.flow or '', '^%S+ (%S+) ?(%d*)$')
  return number, feeds, found.tags
end

-- Stores a member of a workflow, once: it waits for its parents.
local function stage_job(id, queue, task, priority, payload, tags, t, ...)
  local state = field_of(id, 'state')
  if tags then add_tags(id, tags, t) end
  if not state then store_record(id, 'waiting', queue, task, t, payload, ...) end
  if state and (state ~= 'waiting' or call('ZSCORE', key('waiting', queue), id)) then return end
  call('ZADD', PREFIX .. 'names', '0', queue)
  call('ZADD', key('waiting', queue), next_score(priority), id)
  if not state then count('enqueued', queue, t, 1) end
end
