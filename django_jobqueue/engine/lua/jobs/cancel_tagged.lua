-- Cancel the jobs of a tag as cancel does, those stored last first, in calls of one page each.
-- Moves: scheduled, queued, waiting -> cancelled; waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   tag     one tag
--   before  rank in the tag's index before which the page ends; '' for the first page. What is
--           stored after that call is left alone
--   limit   number of ids that one call handles at most
--   reason  short code
-- Returns: {rank before which the next page ends or 0 if this was the last, number of jobs
--     cancelled, number of running jobs that were told to end}; error DETACHED
-- Atomic: a claim in between would run a cancelled job

local wrong = bad_word('tag', tag, 'reason', reason) or bad_number('limit', limit)
  or before ~= '' and bad_number('before', before)
if wrong then return wrong end
local t, index, cancelled, told = now(), key('tag', tag), 0, 0
local stop = tonumber(before) or call_or_false('ZCARD', index) or 0
local start = math.max(0, stop - limit)
if stop <= start then return {0, 0, 0} end
for _, id in ipairs(call('ZRANGE', index, int(start), int(stop - 1))) do
  local was, is = cancel_job(id, reason, t)
  if not was then call('ZREM', index, id) end -- a broken enqueue, or damage, left it
  if was == 'running' then told = told + 1
  elseif was ~= is then cancelled = cancelled + 1 end
end
return {start, cancelled, told}
