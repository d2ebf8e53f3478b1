-- See which schedules are there: note them and their scheduler, and since when their times count.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   of the keys that the process is attached to
--   scheduler     id of the one who looks
--   schedules...  per schedule: name, and digest of the rule of its times
-- Returns: now in ms; then per schedule the ms after which its times are not handled yet: a rule
--     that nobody looked at before, or not for a minute while another one was, begins now;
--     error DETACHED
-- Atomic: two schedulers could begin a rule at two instants

if not is_attached(epoch) then return detached() end
local t = now()
call('ZADD', P .. 'schedulers', t, scheduler)
local reply = {t}
for at = 1, #schedules, 2 do
  local name, rule = schedules[at], schedules[at + 1]
  local place = key('schedule', name)
  local fields = redis.pcall('HGETALL', place)
  if fields.err then call('UNLINK', place) end -- of the wrong type
  for field = 1, #fields, 2 do
    local other = string.match(fields[field], '^seen:(.*)')
    if other and other ~= rule and t - (tonumber(fields[field + 1]) or 0) > 60000 then
      call('HDEL', place, 'seen:' .. other, 'since:' .. other)
    end
  end
  if not since_of(name, rule) then call('HSET', place, 'since:' .. rule, t) end
  call('HSET', place, 'seen:' .. rule, t)
  call('ZADD', P .. 'schedules', t, name)
  reply[#reply + 1] = string.format('%.0f', since_of(name, rule))
end
return reply
