-- Recover jobs whose lease ended without renewal, and correct what a broken script left behind, in
-- a page of all queues. The job of a process whose worker still runs is recovered at once: see
-- release_slot.
-- Moves: running -> queued (with its old score), running -> failed (recovered too often),
--   running -> cancelled (a cancel was requested); waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to
--   first      name of the queue with which the page begins; '' for the first page
--   limit      number of jobs that one call recovers at most
--   interval   ms between first pages; after a gap of three, no worker could renew, so the reaper
--              waits
--   grace      ms that it then waits, at most once per ten leases
--   lease      ms
-- Returns: {name with which the next page begins or '' if this was the last, ms by which the
--     server's clock went back since the last call, job id, state now, ...}; error DETACHED
-- Atomic: a job could be reaped while its run is being finished

local wrong = bad_number('limit', limit, 'interval', interval, 'grace', grace, 'lease', lease)
if wrong then return wrong end
allow_at_maxmemory()
local t = now()
local went_back, waits, moved = 0, false, {}
if first == '' then
  went_back, waits = watch_clock(t, interval, grace, lease)
  correct_names()
  add_minutes(t)
  drop_void_locks(t)
end
local many = has_many_names()
waits = waits or many and first == '' and is_walked('walked_at', t, interval)
if waits then return {'', went_back} end
local names, following = page_of_names(first, MAX_PAGE)
for _, queue in ipairs(leased_of(names)) do
  local index = key('leases', queue)
  local room, ended = limit - #moved / 2, {}
  if call('EXISTS', index) > 0 then
    bring_back(index, t, lease)
    ended = call_or_false('ZRANGEBYSCORE', index, '-inf', t, 'LIMIT', 0, room) or {}
  end
  for _, id in ipairs(ended) do
    local state = field_of(id, 'state')
    if state == 'running' then
      state = recover(id, queue, t, 1, 'lost')
    else
      correct_index(id, 'leases', queue, t)
    end
    moved[#moved + 1] = id
    moved[#moved + 1] = state or 'failed'
  end
  if #moved >= 2 * limit then -- this queue may hold more
    following = queue
    break
  end
end
if not many then correct_hints(names, t) end -- of many queues, trim does
return {following, went_back, unpack(moved)}
