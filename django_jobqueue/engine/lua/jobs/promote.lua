-- Make due jobs claimable, those of paused queues too.
-- Moves: scheduled -> queued; waiting -> queued (for a rate whose time has come)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  name of the keys that the process is attached to
--   limit  number of ids that one call handles at most
-- Returns: number of ids handled; if it is the limit, call again; error DETACHED
-- Atomic: two calls could give one job two places

local wrong = bad_number('limit', limit)
if wrong then return wrong end
allow_at_maxmemory()
local t = now()
local handled = promote(t, tonumber(limit))
if call('HGET', PREFIX .. 'meta', 'rated') then admit_rates(t) end
return handled
