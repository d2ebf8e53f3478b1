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

-- Returns an error if a job's words, which are right otherwise, do not say where it belongs.
local function bad_place(jobs)
  local at = 1
  for _ = 1, #jobs / 7 do
    if not jobs[at] then break end
    local more = jobs[at + 6]
    if not place_of(unpack(jobs, at + 7, at + 6 + more)) then
      return bad_argument('flow', '', 'in the words of each job')
    end
    at = at + 7 + more
  end
end

-- Stores a member of a workflow, once: it waits for its parents.
local function stage_job(id, queue, task, priority, payload, tags, t, ...)
  local state = field_of(id, 'state')
  if tags then add_tags(id, tags, t) end
  if not state then store_record(id, 'waiting', queue, task, t, payload, ...) end
  if state and (state ~= 'waiting' or call('ZSCORE', key('waiting', queue), id)) then return end
  call('ZADD', PREFIX .. 'names', '0', queue)
  call('ZADD', key('waiting', queue), new_plain_score(priority), id)
  if not state then count('enqueued', queue, t, 1) end
end

-- Returns how many of these jobs have names that no member of the workflow has yet.
local function count_unknown(flow, jobs)
  local at, count = 1, 0
  for _ = 1, #jobs / 7 do
    if not jobs[at] then break end
    local name = place_of(unpack(jobs, at + 7, at + 6 + jobs[at + 6]))
    if not hash_fields(key('workflow-members', flow), name) then count = count + 1 end
    at = at + 7 + jobs[at + 6]
  end
  return count
end

-- Adds a member to a workflow that runs, once: an earlier call with its name may have broken, or
-- have come from an earlier run. It is open before anything else knows it.
local function add_member(flow, group, feeds, words, t)
  local record, members = key('workflow', flow), key('workflow-members', flow)
  local open = key('workflow-open', flow)
  local id, queue, task, priority, _, payload = unpack(words)
  local name, _, tags = place_of(unpack(words, 8))
  local number, total = hash_fields(members, name), hash_fields(record, 'total')
  local known = number and hash_fields(members, number)
  if number and not call('ZSCORE', open, number) then return end -- it has ended
  if known and field_of(known, 'state') then return release_member(known, t) end
  if not number then
    number = total
    repeat number = int(number + 1) until not hash_fields(members, number) -- a call broke
    call('ZADD', open, feeds, number)
    call('RPUSH', key('workflow-added', flow), group .. ' ' .. number .. ' ' .. name)
    call('HSET', key('workflow-results', flow), 'added', '1')
  end
  call('HSET', members, number, id, name, number)
  call('HSET', record, 'total', int(math.max(total, number)))
  for at = 8, #words, 2 do
    if words[at] == 'flow' then words[at + 1] = flow .. ' ' .. number .. ' ' .. feeds end
  end
  stage_job(id, queue, task, priority, payload, tags, t, unpack(words, 8))
  release_member(id, t)
end
