-- Functions that store jobs. A script stores a job after its checks and before all other writes: at
-- maxmemory the first write of `store_jobs` is refused, and then nothing has changed.

-- Returns an error about the words of the first job that can't be stored.
local function bad_job(words)
  local at = 1
  while words[at] do
    local id, queue, task, priority, due, payload, more = unpack(words, at, at + 6)
    -- One look at all words of a good job, because a script of 100 jobs does it 100 times.
    local is_good = more and #id == 36 and #queue <= 64 and string.find(
      id .. ' ' .. queue .. ' ' .. task .. ' ' .. priority .. ' ' .. due .. ' ' .. more,
      '^[%x-]+ [%w_.-]+ %S+ %-?%d%d?%d? %+?%d* %d%d?$')
    if not is_good then return bad_word_of_job(id, queue, task, priority, due, more) end
    if more % 2 > 0 or at + 6 + more > #words or math.abs(priority) > MAX_PRIORITY then
      return bad_word_of_job(id, queue, task, priority, due, 'odd')
    end
    local last, value = unpack(words, at + 5 + more, at + 6 + more)
    local wrong = words[at + 7] == 'unique' and bad_unique(words[at + 8])
      or last == 'limits' and bad_limits(value, words, at + 3 + more)
      or last == 'fair' and not string.find(value, '^[^%s%c]+$') and bad_word(last, value)
    if wrong then return wrong end
    at = at + 7 + more
  end
end

-- Writes the record of a new job, and the payload, which is a field of it if it is small.
local function store_record(id, state, queue, task, t, payload, ...)
  if #payload <= SMALL_PAYLOAD then
    call('HSET', key('job', id), 'state', state, 'queue', queue, 'task', task, 'enqueued_at', t,
      'payload', payload, ...)
  else
    call('SET', key('payload', id), payload)
    call('HSET', key('job', id), 'state', state, 'queue', queue, 'task', task, 'enqueued_at', t,
      ...)
  end
end

-- Stores jobs whose words were checked, each once: a first field, payload, record, index. A record
-- without its index is not known yet: the next call with its id completes it. Returns when each was
-- stored first; see duplicate_of for one that is not stored, because another one holds its lock.
local function store_jobs(words, t)
  local stored, noted, counted, n, at = {}, nil, nil, 0, 1
  while words[at] do
    local id, queue, task, priority, due, payload, more = unpack(words, at, at + 6)
    -- The field is there already if the id is known, or if an earlier call broke. At maxmemory a
    -- known id is still told.
    local record, unique = key('job', id), words[at + 7] == 'unique' and words[at + 8]
    local last = at + 5 + more
    local limits = words[last] == 'limits' and words[last + 1]
    if limits then last = last - 2 end
    local fair = words[last] == 'fair' and words[last + 1]
    local newest = limits and string.find(limits, '%do:')
    local duplicate = unique and duplicate_of(id, unique, t)
    local state, added = duplicate, duplicate or redis.pcall('HSETNX', record, 'queue', queue)
    if added ~= 1 and not state then state = call('HGET', record, 'state') end
    if added ~= 1 and added ~= 0 and not state then call('HSETNX', record, 'queue', queue) end
    stored[#stored + 1] = t
    if not state and unique then take_lock(id, unique, t) end
    local first = unique and at + 9 or at + 7
    if not state and words[first] == 'tags' then add_tags(id, words[first + 1], t) end
    if not state and newest then note_older(id, limits) end
    local awaited = limits and not state and due == '' and awaited_key(limits)
    if state then
      stored[#stored] = duplicate or complete(id, state, due, t)
    elseif due ~= '' then
      note_due(queue, due_at(due, t))
      store_record(id, 'scheduled', queue, task, t, payload, unpack(words, at + 7, at + 6 + more))
      call('ZADD', key('scheduled', queue), due_at(due, t), id)
    elseif awaited then
      store_record(id, 'waiting', queue, task, t, payload, 'parked', awaited,
        unpack(words, at + 7, at + 6 + more))
      add_parked(id, queue, awaited, new_score(queue, priority, fair), t)
    else
      if queue ~= noted and not call('ZSCORE', PREFIX .. 'work', queue) then note_work(queue, t) end
      noted = queue
      store_record(id, 'queued', queue, task, t, payload, unpack(words, at + 7, at + 6 + more))
      local is_fair = fair or fair_queues
      call('ZADD', key('queued', queue), is_fair and new_fair_score(queue, priority, fair)
        or int((MAX_PRIORITY - priority) * PRIORITY_STEP + call('INCR', PREFIX .. 'sequence')), id)
    end
    if newest and not duplicate then supersede(id, limits, t) end
    if not state and queue ~= counted then
      if n > 0 then count('enqueued', counted, t, n) end
      counted, n = queue, 0
    end
    if not state then n = n + 1 end
    at = at + 7 + more
  end
  if n > 0 then count('enqueued', counted, t, n) end
  return stored
end
