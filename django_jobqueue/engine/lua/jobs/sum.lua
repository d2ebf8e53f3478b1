-- Sum the jobs of each state over all queues, if there are many, in calls of one page each.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   interval  ms between the end of a sum and the beginning of the next one
-- Returns: 1 if pages of a sum are left, which any worker may add; else 0; error DETACHED
-- Atomic: a page that two calls add would count twice

local wrong = bad_number('interval', interval)
if wrong then return wrong end
allow_at_maxmemory()
local t, sums = now(), PREFIX .. 'sums'
if call('ZCARD', PREFIX .. 'names') <= MAX_LOOKED_AT then
  call('UNLINK', sums)
  return 0
end
ensure_hash(sums)
local at, first = hash_fields(sums, 'at', 'next')
local begins = not first or first == ''
if begins and math.abs(t - (tonumber(at) or 0)) < stretched(interval) then return 0 end
local names, following = page_of_names(begins and '' or first, SMALL_PAGE)
local fields = {'next', following}
if following == '' then fields = {'next', '', 'at', t} end
for _, index in ipairs(indexes) do
  local part = 'part:' .. index
  local sum = not begins and tonumber((hash_fields(sums, part))) or 0
  for _, queue in ipairs(names) do sum = sum + (call_or_false('ZCARD', key(index, queue)) or 0) end
  fields[#fields + 1] = part
  fields[#fields + 1] = int(sum)
  if following == '' then
    fields[#fields + 1] = index
    fields[#fields + 1] = int(sum)
  end
end
call('HSET', sums, unpack(fields))
return following == '' and 0 or 1
