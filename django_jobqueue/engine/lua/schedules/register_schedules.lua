-- Register schedules with their scheduler, and return since when their times are unhandled.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch         name of the keys that the process is attached to
--   scheduler     id of the scheduler
--   schedules...  per schedule: name, and digest of the rule of its times
-- Returns: now in ms; then per schedule the ms after which its times are not handled yet: now for
--     a rule that is new, or was not registered for a minute while another one was, and for one
--     whose handled times lie more than a minute ahead, because the server's clock went back;
--     error DETACHED
-- Atomic: two schedulers could start a rule at two instants

local wrong = bad_word('scheduler', scheduler)
  or #schedules % 2 > 0
    and bad_argument('schedules', schedules[#schedules], 'names and rules in pairs')
if wrong then return wrong end
local t = now()
call('ZADD', PREFIX .. 'schedulers', t, scheduler)
local reply = {t}
for at = 1, #schedules, 2 do
  local name, rule = schedules[at], schedules[at + 1]
  local schedule_key = key('schedule', name)
  ensure_hash(schedule_key)
  local fields = call('HGETALL', schedule_key)
  for field = 1, #fields, 2 do
    local other, seen = string.match(fields[field], '^seen:(.*)'), fields[field + 1]
    if other and other ~= rule and t - (tonumber(seen) or 0) > MINUTE then
      call('HDEL', schedule_key, 'seen:' .. other, 'since:' .. other)
    end
  end
  if not since_of(name, rule) then call('HSET', schedule_key, 'since:' .. rule, t) end
  if since_of(name, rule) > t + MINUTE then -- the server's clock went back
    call('HSET', schedule_key, 'since:' .. rule, t, 'high_water', t)
  end
  call('HSET', schedule_key, 'seen:' .. rule, t)
  call('ZADD', PREFIX .. 'schedules', t, name)
  reply[#reply + 1] = string.format('%.0f', since_of(name, rule))
end
return reply
