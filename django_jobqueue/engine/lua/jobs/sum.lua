-- Sum the jobs of each state over all queues, if there are more than 200, page by page.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   interval  ms between two sums; of more than 10,000 queues it is longer in proportion. A page
--             that comes within a fiftieth of it after the last one does nothing
-- Returns: 1 if pages of a sum are left, which any worker may add; else 0; error DETACHED
-- Atomic: a page that two calls add would count twice

local wrong = bad_number('interval', interval)
if wrong then return wrong end
allow_at_maxmemory()
local t, sums = now(), PREFIX .. 'sums'
if not has_many_names() then
  call('UNLINK', sums)
  return 0
end
ensure_hash(sums)
local at, first, began, paged_at = hash_fields(sums, 'at', 'next', 'began', 'paged_at')
local begins = not first or first == ''
local since = t - (tonumber(begins and at or paged_at) or 0)
local pause = begins and stretched(interval) or interval * SMALL_PAGE / MAX_WALKED
if since >= 0 and since < 0.9 * pause then return begins and 0 or 1 end
began = not begins and began or t
local names, following = page_of_names(first or '', SMALL_PAGE)
local fields = {'next', following, 'began', began, 'paged_at', t}
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
if following == '' then call('HSET', sums, 'at', began) end
call('HSET', sums, unpack(fields))
return following == '' and 0 or 1
