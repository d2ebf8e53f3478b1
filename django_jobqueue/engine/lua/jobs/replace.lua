-- Give a job that waits for its first run the arguments of a later call, and put it off.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   id       id of the job
--   number   the call's, as enqueue returned it; the highest number's arguments stay
--   unique   the call's own word, as in enqueue
--   expires  the call's own, as in enqueue; '' if it has none
--   payload  the call's arguments, signed for this job
--   caller   id of the call if its caller has it already, which leads to the job then; else ''
-- Returns: 1 if the job stands for the call; 0 if it waits no more, so that the call has to be
--     stored itself; error DETACHED
-- Atomic: a claim in between would run the job without these arguments

-- Puts the job off if it waits for its time; one that waits for a slot is due.
local function put_off(queue, state, enqueued_at, t)
  local delay, most = string.match(unique, ' newest,(%d+),(%d+)')
  if state ~= 'scheduled' then return end
  local due = int(math.max(t, math.min(t + delay, (tonumber(enqueued_at) or t) + most)))
  note_due(queue, due)
  call('ZADD', key('scheduled', queue), due, id)
end

-- Writes the arguments. The field is read first, so it goes last.
local function write_payload()
  local record = key('job', id)
  if #payload <= SMALL_PAYLOAD then
    call('HSET', record, 'payload', payload, 'replaced', number)
    call('UNLINK', key('payload', id))
  else
    call('SET', key('payload', id), payload)
    call('HSET', record, 'replaced', number)
    call('HDEL', record, 'payload')
  end
end

local wrong = bad_number('number', number) or bad_unique(unique)
if wrong then return wrong end
local t, digest, kind = now(), words_of_unique(unique)
if not string.find(kind, '^newest,') then return bad_argument('unique', unique, 'newest') end
local holder, state, _, enqueued_at, waits = holder_of(digest, t)
local queue, replaced = fields_of(id, 'queue', 'replaced')
local latest = tonumber(replaced) or 0
waits = waits and holder == id
if not waits and tonumber(number) > latest then return 0 end
if waits and tonumber(number) >= latest then
  if expires ~= '' then
    local relative = string.match(expires, '^%+(%d+)$')
    call('HSET', key('job', id), 'expires', relative and int(t + relative) or expires)
  end
  put_off(queue, state, enqueued_at, t)
  write_payload()
end
if caller ~= '' then point_to(id, caller) end
return 1
