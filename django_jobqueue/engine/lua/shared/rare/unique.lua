-- Functions about unique jobs. The field `unique` of a job, which is a word of a new one, has the
-- digest of its key, and until when the job holds the lock of that key: `done`; `start` of its
-- first run; `newest,<ms>,<ms>`, the same, and until then a later call takes its place, which puts
-- it off by so many ms, but not longer than so many since it was stored; `+` and ms from now; or
-- ms. A third word says that the caller has the id already: `told`; `kept`, if the ledger has it
-- too. The hash `unique` names the holder of each key, and when its window ends, if it has one.

local function words_of_unique(unique)
  return string.match(unique or '', '^(%x+) (%S+) ?(%l*)$')
end

-- Returns the error about the word `unique` of a new job.
local function bad_unique(unique)
  local _, kind, told = words_of_unique(unique)
  local is_known = kind == 'done' or kind == 'start' or string.find(kind or '', '^%+?%d+$')
    or string.find(kind or '', '^newest,%d+,%d+$')
  if is_known and (told == '' or told == 'told' or told == 'kept') then return nil end
  return bad_argument('unique', unique, 'a digest, and until when: done, start, newest or ms')
end

-- Returns whether the time in `expires` is over, which is ms, or '+' and ms from when the job was
-- stored; a text that is no time never is.
local function has_expired(expires, enqueued_at, t)
  local plus, ms = string.match(expires or '', '^(%+?)(%d+)$')
  local from = plus ~= '+' and 0 or tonumber(enqueued_at) or t
  return ms and from + ms <= tonumber(t)
end

-- Returns the id that a lock names, and when its window ends, '' if it has none.
local function lock_of(digest)
  return string.match(hash_fields(PREFIX .. 'unique', digest) or '', '^(%S+) ?(%d*)$')
end

-- Returns the id of the job that holds the lock of a key, its state, round, when it was stored and
-- whether it waits for its first run; nil if no job does. The record decides: a job that is gone,
-- final, has started or expired holds no lock, whatever a broken script has left here. Nor does one
-- that was told to end, but in a window: it would stand for a call whose work nobody does.
local function holder_of(digest, t)
  local id, ends = lock_of(digest)
  if not id then return nil end
  local state, unique, round, enqueued_at, attempted_at, expires, cancel = fields_of(id, 'state',
    'unique', 'round', 'enqueued_at', 'attempted_at', 'expires', 'cancel')
  local its_digest, kind = words_of_unique(unique)
  if not state or its_digest ~= digest then return nil end
  local has_started = (attempted_at or '') ~= ''
  local waits = not has_started and not is_final(state)
  local is_over = is_final(state) or has_started and kind ~= 'done' or (cancel or '') ~= ''
  if ends ~= '' then is_over = tonumber(ends) <= tonumber(t) end
  if is_over then return nil end
  if waits and has_expired(expires, enqueued_at, t) then return nil end
  return id, state, round, enqueued_at, waits
end

-- Makes a job the holder of its lock, whoever was that before.
local function take_lock(id, unique, t)
  local locks, digest, kind = PREFIX .. 'unique', words_of_unique(unique)
  local plus, ms = string.match(kind, '^(%+?)(%d+)$')
  local lock = ms and id .. ' ' .. (plus == '+' and int(t + ms) or ms) or id
  if call_or_false('HSET', locks, digest, lock) then return end
  call('UNLINK', locks)
  call('HSET', locks, digest, lock)
end

-- Frees the lock of a job, if it is the holder; that of a window only if the job is gone, or ends
-- without a run. Returns when the window would have ended; nil if it was none.
local function leave_lock(id, unique, is_gone)
  local digest = words_of_unique(unique)
  if not digest then return nil end
  local holder, ends = lock_of(digest)
  if holder ~= id or ends ~= '' and not is_gone then return nil end
  call('HDEL', PREFIX .. 'unique', digest)
  return tonumber(ends)
end

-- Frees the lock of a job that begins to run, if it is one of those that end then.
local function leave_lock_at_start(id, unique)
  local _, kind = words_of_unique(unique)
  if kind == 'start' or string.sub(kind or '', 1, 7) == 'newest,' then leave_lock(id, unique) end
end

-- Removes locks that no job holds, of a random few: a broken script has left them.
local function drop_void_locks(t)
  local locks = PREFIX .. 'unique'
  for _, digest in ipairs(call_or_false('HRANDFIELD', locks, MAX_LOCKS) or {}) do
    if not holder_of(digest, t) then call('HDEL', locks, digest) end
  end
end

-- Returns the id of the job that stands for a call with this id; false if none does.
local function pointed_to(id) return call_or_false('GET', key('duplicate', id)) end

-- Lets the id of a call be found that another job stands for. Of too many ids of one job, the
-- oldest goes.
local function point_to(winner, id)
  if pointed_to(id) == winner then return end
  local ids = key('duplicates', winner)
  local length = call_or_false('RPUSH', ids, id)
  if not length then
    call('UNLINK', ids)
    call('RPUSH', ids, id)
  elseif length > MAX_DUPLICATES then
    local oldest = unpack(call('LRANGE', ids, 0, 0))
    call('UNLINK', key('duplicate', oldest))
    call('LTRIM', ids, 1, -1)
  end
  call('SET', key('duplicate', id), winner)
end

-- Removes what a unique job has beside its own keys. Returns what leave_lock does.
local function leave_unique(id, unique)
  local ids = key('duplicates', id)
  for _, one in ipairs(call_or_false('LRANGE', ids, 0, -1) or {}) do
    call('UNLINK', key('duplicate', one))
  end
  call('UNLINK', ids)
  return leave_lock(id, unique, true)
end
