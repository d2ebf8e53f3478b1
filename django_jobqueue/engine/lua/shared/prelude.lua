-- Functions that several scripts need. Redis does not roll a script back, so a move writes in this
-- order: hints (`work`, `due`, `names`), the new index, the record, whose `state` is the turning
-- point, then the removal from the old index, then what must not happen twice. Wherever a script
-- breaks, its job stands in an index from which a later call can set it right.
local PREFIX = KEYS[1]
local call = redis.call

-- Constants, which the loader writes into the code: a local that functions share costs each call.
local MAX_ATTEMPT_RECORDS = 20
local MAX_MOVES = 50 -- jobs moved by one claim
local OWN_FLAGS = 5 -- that each claim reads; those of its queues follow, in their order
local MAX_NAMES = 20 -- queues tried by one claim from all queues
local MAX_PAGE = 500 -- queues, or ids of an index, that one call looks at
local SMALL_PAGE = 200 -- queues whose jobs one call counts or removes; more are many
local MAX_WALKED = 10000 -- queues that are counted or trimmed in one interval
local MAX_FORGOTTEN = 100 -- workers forgotten by one call
local LOOK_AFTER = 1000 -- ms, between two looks of the maintenance at a key
local ADMIT_AFTER = 10000 -- ms, the same if it admitted jobs there, which take their time
local MAX_LIMITS = 6 -- of a job, with its rate
local MAX_STARTS = 1000 -- entries of the starts of a rate
local CLOCK_TOLERANCE = 1000 -- ms, by which a clock may be set back unnoticed
local MAX_ENDED = 10000 -- jobs whose end nobody was told of yet
local MAX_LOCKS = 100 -- looked at by one call of the reaper
local MAX_DUPLICATES = 500 -- ids of calls that lead to one job
local MAX_COUNTERS = 1000 -- fields of one minute; further queues are counted as '*'
local MINUTE = 60000 -- ms
local MINUTE_TTL = 3900 -- s, that the counts of a minute are kept
local HOUR_TTL = 90000 -- s, those of an hour
local MAX_MINUTES = 10 -- added to their hours by one call
local MAX_PRIORITY = 100
local MAX_FAIR = 100 -- queues that number fairly at once
local SMALL_PAYLOAD = 64 -- bytes; a longer value would double the memory of the record
local PRIORITY_STEP = 1e13 -- between the scores of two priorities
local SEAL_WITHIN = 3600000 -- ms, in which the last call of a new workflow is to come
local FLOW_LOOK = 60000 -- ms, between two looks of the maintenance at a workflow
local DAY = 86400000 -- ms
local DEFAULT_MAX_RECOVERIES = 2 -- of a record without the field

-- Formats a whole number; Redis and Lua format numbers as fractions, which costs far more.
local function int(number) return string.format('%d', number) end

local function key(kind, name) return PREFIX .. kind .. ':' .. name end

-- Returns the reply to a command; false if the key has another type. Other errors are raised:
-- what the user may not read is not missing.
local function call_or_false(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  return not string.find(answer.err, 'WRONGTYPE', 1, true) and call(...)
end

-- Returns the values of fields of a job's record, in their order; that of an absent field is false.
local function fields_of(id, ...)
  return unpack(call_or_false('HMGET', key('job', id), ...) or {})
end

-- Lets the script write at maxmemory: its first write decides that, and this one changes nothing
-- and is not a deny-oom command.
local function allow_at_maxmemory() call('ZREM', PREFIX .. 'workers', '') end

-- Counts n events of a queue in this minute.
local function count(event, queue, t, n)
  local minute, field = key('minute', int(t / MINUTE)), event .. ':' .. queue
  if call('HINCRBY', minute, field, n) > n then return end
  if call('HLEN', minute) > MAX_COUNTERS then
    call('HDEL', minute, field)
    if call('HINCRBY', minute, event .. ':*', n) > n then return end
  end
  call('EXPIRE', minute, MINUTE_TTL)
end

-- Runs the first write of a script that may write at maxmemory, whatever the command.
local function call_at_maxmemory(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    allow_at_maxmemory()
    return call(...)
  end
end

-- The names of the queues that number their jobs fairly, each between spaces; false if none does,
-- nil if nobody has looked: see rare/fair.lua.
local fair_queues

-- Returns whether the keys have the epoch that the process attached to. Another one means that the
-- server was emptied or the owner changed: the process must attach again.
local function is_attached(name)
  local epoch
  epoch, fair_queues = unpack(call('HMGET', PREFIX .. 'meta', 'epoch', 'fair'))
  return epoch == name
end
