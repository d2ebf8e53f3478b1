-- Functions that check the arguments of a script before its first write: each returns an error that
-- names what is wrong, or nil.

-- Returns an error about the argument `name`, whose value is not what it should be.
local function bad_argument(name, value, should_be)
  local shown = string.gsub(string.sub(value or '', 1, 60), '%c', '?')
  return redis.error_reply('ERR ' .. name .. ' is "' .. shown .. '"; it must be ' .. should_be)
end

-- Takes names and values of arguments. Returns the error about the first one that is not a whole
-- number; nil if all are.
local function bad_number(...)
  local given = {...}
  for at = 1, #given, 2 do
    local value = given[at + 1] or ''
    if #value > 15 or not string.find(value, '^%-?%d+$') then
      return bad_argument(given[at], value, 'a whole number')
    end
  end
end

-- The same for arguments that must be one word, because stored texts join them by spaces.
local function bad_word(...)
  local given = {...}
  for at = 1, #given, 2 do
    local value = given[at + 1] or ''
    if value == '' or string.find(value, '[%s%c]') then
      return bad_argument(given[at], value, 'a word without white space')
    end
  end
end

-- Returns the error about a name that no queue can have.
local function bad_queue(queue)
  if string.find(queue or '', '^[%w_.-]+$') and #queue <= 64 then return nil end
  return bad_argument('queue', queue, '1 to 64 of the characters A-Z a-z 0-9 _ . -')
end

-- Returns the error about a job of which a word is wrong.
local function bad_word_of_job(id, queue, task, priority, due, more)
  if #id ~= 36 or string.find(id, '[^%x-]') then
    return bad_argument('id', id, 'a UUID of 36 characters')
  end
  local wrong = bad_queue(queue)
  if wrong then return wrong end
  if not string.find(priority or '', '^%-?%d+$') or math.abs(priority) > MAX_PRIORITY then
    return bad_argument('priority', priority, 'a whole number from -100 to 100')
  end
  if not string.find(due or '', '^%+?%d*$') then
    return bad_argument('due', due, "empty, ms, or '+' and ms")
  end
  return bad_word('task', task) or bad_argument('number of further words', more,
    'even, and as many words must follow')
end

-- Returns the error about the word `limits` of a new job, or `fair`, which may stand before.
local function bad_limits(limits, words, before)
  local many, wrong = 0, false
  for word in string.gmatch(limits, '%S+') do
    local most, mode, extra = string.match(word, '^=?(%d+)([wsor])([%d.]*):')
    local window, burst = string.match(extra or '', '^(%d+)%.(%d+)$')
    wrong = wrong or not most or #most > 7 or tonumber(most) < 1 or string.find(word, ':$')
      or mode ~= 'r' and extra ~= ''
      or mode == 'r' and not (burst and #burst < 8 and #window < 9 and tonumber(window) > 0)
    many = many + 1
  end
  if many > 0 and many <= MAX_LIMITS and not wrong then
    return words[before] == 'fair' and bad_word('fair', words[before + 1]) or nil
  end
  return bad_argument('limits', limits, 'at most MAX_LIMITS words such as 1w:key')
end

-- Returns the error about a claim of which a word is wrong.
local function bad_word_of_claim(worker, slot, nonce, lease)
  return bad_number('lease', lease) or bad_word('worker', worker, 'slot', slot, 'nonce', nonce)
end

local function detached() return redis.error_reply('DETACHED these keys are not the known ones') end
