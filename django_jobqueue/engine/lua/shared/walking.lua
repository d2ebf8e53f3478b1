-- Functions that walk through all queues, page by page.

-- Returns the names of a page of `most` queues, which begins with `first`, and the name with which
-- the next page begins; '' is the first page, and comes after the last.
local function page_of_names(first, most)
  local names = call('ZRANGEBYLEX', PREFIX .. 'names', first == '' and '-' or '[' .. first, '+',
    'LIMIT', 0, most + 1)
  return names, table.remove(names, most + 1) or ''
end

-- Returns whether there are more queues than one page of `trim` or `sum`.
local function has_many_names() return call('ZCARD', PREFIX .. 'names') > SMALL_PAGE end

-- Returns the ms in which all queues are counted or trimmed: the interval, or more for very many.
local function stretched(interval)
  return interval * math.max(1, call('ZCARD', PREFIX .. 'names') / MAX_WALKED)
end

-- Returns the queues of which jobs run, asked for in groups: of very many, most have none.
local function leased_of(queues)
  local leased = {}
  for first = 1, #queues, 20 do
    local last, indexes = math.min(first + 19, #queues), {}
    for at = first, last do indexes[#indexes + 1] = key('leases', queues[at]) end
    if call('EXISTS', unpack(indexes)) > 0 then
      for at = first, last do leased[#leased + 1] = queues[at] end
    end
  end
  return leased
end

-- Returns whether a walk through many queues began in this interval, by whichever worker; else
-- notes in the field that one begins.
local function is_walked(field, t, interval)
  local since = t - (tonumber(call('HGET', PREFIX .. 'meta', field)) or 0)
  if since >= 0 and since < 0.9 * interval then return true end
  call('HSET', PREFIX .. 'meta', field, t)
  return false
end
