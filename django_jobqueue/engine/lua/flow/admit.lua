-- Queue the jobs that wait for keys with room, and free places that no lease holds: what scripts
-- that broke, and limits that were changed, have left. Look at the queues that are limited, too.
-- Moves: waiting -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   limit  number of keys that one call looks at most; of more, those come first at which nobody
--          has looked for longest
-- Returns: number of keys looked at; error DETACHED
-- Atomic: a claim in between could take the place that a job is admitted to

local wrong = bad_number('limit', limit)
if wrong then return wrong end
allow_at_maxmemory()
local t, awaited, limited = now(), PREFIX .. 'awaited', call('HGET', PREFIX .. 'meta', 'limits')
if limited then mark_full(limited, {}, {}, t) end
-- After a clock that went back, some looks lie too far ahead.
local names = call_or_false('ZRANGEBYSCORE', awaited, '-inf', t, 'LIMIT', 0, limit) or {}
local latest = '(' .. int(t + 2 * ADMIT_AFTER)
local late = call_or_false('ZRANGEBYSCORE', awaited, latest, 'inf', 'LIMIT', 0,
  int(limit - #names))
for _, name in ipairs(late or {}) do names[#names + 1] = name end
for _, name in ipairs(names) do
  free_lost_places(name)
  local handled = admit(name, MAX_MOVES, t)
  local after = handled == 0 and LOOK_AFTER or handled < MAX_MOVES and ADMIT_AFTER or 0
  call('ZADD', awaited, 'XX', int(t + after), name)
  local at = next_admission(name, handled > 0 and t, t)
  if at then note_rate(name, at) end
end
return #names
