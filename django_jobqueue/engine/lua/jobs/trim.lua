-- Remove jobs that their tasks keep no longer, final jobs past their retention in a page of all
-- queues, and queues that hold no job. A durable job stays until its value is in its row. Of more
-- than 200 queues, correct what a broken script noted, too; all workers share a walk through these.
-- Moves: succeeded, failed, cancelled -> nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   first    name of the queue with which the page begins; '' for the first page of a walk; of more
--            than 200 queues, a walk goes on where the last one ended
--   limit    number of jobs that one call removes at most
--   interval ms between walks: of more than 200 queues, a first page that comes sooner does
--            nothing; of more than 10,000, the interval is longer in proportion
--   keep...  per state: its name (succeeded, failed or cancelled), the ms that a job is kept after
--            its finish, and the number of jobs that may stay in a queue; this bound removes no job
--            finished less than 60 s ago
-- Returns: {name with which the next page begins or '' if this was the last, number of jobs
--     removed (or forgotten, because they were gone), then per queue and state of which some were
--     removed before their time, since too many were kept: queue, state, how many}; error DETACHED
-- Atomic: a requeue in between could queue a job that is then removed

local wrong = bad_number('limit', limit, 'interval', interval)
for at = 1, #keep, 3 do
  local state, ms, most = unpack(keep, at, at + 2)
  wrong = wrong or bad_number('keep', ms, 'keep', most)
    or not is_final(state) and bad_argument('keep', state, 'succeeded, failed or cancelled')
end
if wrong then return wrong end
allow_at_maxmemory()
local t, removed, early_ones = now(), 0, {}
local many = has_many_names()
if many and first == '' then
  if is_walked('trimmed_at', t, stretched(interval)) then return {'', 0} end
  first = call('HGET', PREFIX .. 'meta', 'trim_next') or ''
end
local names, following = page_of_names(first, SMALL_PAGE)
removed = trim_short_lived(t, limit)
if removed >= tonumber(limit) then return {unpack(names) or 'default', removed} end
for _, queue in ipairs(names) do
  local kept = 0
  for at = 1, #keep, 3 do
    local state, ms, most = unpack(keep, at, at + 2)
    local gone, early, held =
      trim_state(queue, state, tonumber(ms), tonumber(most), t, limit - removed)
    removed, kept = removed + gone, kept + held - gone
    if early > 0 then
      call('HINCRBY', PREFIX .. 'totals', 'trimmed:' .. state .. ':' .. queue, early)
      for _, word in ipairs({queue, state, early}) do early_ones[#early_ones + 1] = word end
    end
  end
  if removed >= tonumber(limit) then -- this queue may hold more
    following = queue
    break
  end
  if kept == 0 then forget_if_empty(queue) end
end
if many then
  call('HSET', PREFIX .. 'meta', 'trim_next', following)
  correct_hints(names, t)
end
return {following, removed, unpack(early_ones)}
