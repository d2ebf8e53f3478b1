-- Functions about rates: never more than n starts in any window, of which up to `burst` go back to
-- back. `starts` holds the times of the last ones, the latest at its end: entries of three words,
-- the time of its last start, when the rate would be used evenly up to now, and how many starts it
-- stands for. Of a great n an entry stands for several, which errs to fewer starts.

-- Returns the window of a rate in ms, its burst, how many starts an entry stands for, and how many
-- entries a window has; nil if the words are damaged.
local function rate_of(limit)
  local window, burst = string.match(limit.extra, '^(%d+)%.(%d+)$')
  if not window or #window > 8 or limit.most < 1 then return nil end -- a day has 8 digits
  local size = math.ceil(limit.most / MAX_STARTS)
  return tonumber(window), tonumber(burst), size, math.floor(limit.most / size)
end

-- Returns the three words of an entry of `starts`, counted from its end; nil if there is none.
local function entry_of(starts, at)
  local words = unpack(call_or_false('LRANGE', starts, int(-at), int(-at)) or {})
  local last, even, many = string.match(words or '', '^(%d+) ([%d.]+) (%d+)$')
  return tonumber(last), tonumber(even), tonumber(many)
end

-- Returns from when on a job of a rate may start, in ms.
local function next_start(limit, t)
  local window, burst, size, entries = rate_of(limit)
  local starts, free = key('starts', limit.name), 0
  if not window then return 0 end
  local last, even, many = entry_of(starts, 1)
  if not last then return 0 end
  if last > t + CLOCK_TOLERANCE then -- the clock went back: as if all had started now
    last, even, many = tonumber(t), tonumber(t), size
    call('UNLINK', starts)
    local entry = t .. ' ' .. t .. ' ' .. int(size)
    for _ = 1, entries do call('RPUSH', starts, entry) end
    call('EXPIRE', starts, int(window / 500 + 60))
  end
  local first = many >= size and entry_of(starts, entries)
  if first then free = first + window + 1 end
  local pause = window / limit.most
  even = math.min(even, last + burst * pause) -- the rate was another one
  return math.ceil(math.max(free, even - (burst - 1) * pause))
end

-- Notes that a job of a rate starts.
local function note_start(limit, t)
  local window, _, size, entries = rate_of(limit)
  if not window then return end
  local starts = key('starts', limit.name)
  local _, even, many = entry_of(starts, 1)
  even = string.format('%.3f', math.max(even or 0, tonumber(t)) + window / limit.most)
  if many and many < size then
    call('LSET', starts, '-1', t .. ' ' .. even .. ' ' .. int(many + 1))
  else
    if not many then call('UNLINK', starts) end
    call('RPUSH', starts, t .. ' ' .. even .. ' 1')
    call('LTRIM', starts, int(-entries), '-1')
  end
  call('EXPIRE', starts, int(window / 500 + 60)) -- twice the window, and a minute
end

-- Notes that a job waits for a rate and may start then, unless an earlier time is noted.
local function note_rate(name, at)
  local rates, words = PREFIX .. 'rates', string.format('%.3f', at)
  if not call_or_false('ZADD', rates, 'LT', words, name) then add_to_set(rates, words, name) end
  local meta, ms = PREFIX .. 'meta', math.ceil(at)
  local soonest = tonumber(call('HGET', meta, 'rated'))
  if not soonest or soonest > ms then call('HSET', meta, 'rated', int(ms)) end
end
