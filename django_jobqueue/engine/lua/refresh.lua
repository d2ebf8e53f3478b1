-- Store the job that refreshes a latest value, unless another one is under way.
-- Moves: nothing -> queued, nothing -> scheduled
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch  of the keys that the process is attached to
--   digest       of the task and its arguments
--   seen         id of the last refresh as the caller read it, or ''
--   keep         seconds until the value goes without a newer one; 0: never
--   job...       as in enqueue
-- Returns: when the job was stored, in ms; '' if it was not, for it is being refreshed, or was
--     since the caller looked; error DETACHED
-- Atomic: of many who find a value stale, each could store a job

if not is_attached(epoch) then return detached() end
local t = now()
local id, queue, task, priority, due, payload = unpack(job, 1, 6)
local known = fields_of(id, 'enqueued_at')[1]
if known then return known end
local latest = key('latest', digest)
local kept = redis.pcall('HMGET', latest, 'refresh')
local refresh = kept[1] or ''
if refresh ~= seen or is_open(refresh) then return '' end
local claimable = store(id, queue, task, priority, due, payload, t, unpack(job, 8))
if kept.err then call('UNLINK', latest) end -- of the wrong type
call('HSET', latest, 'refresh', id)
if keep ~= '0' then call('EXPIRE', latest, keep) end
announce(queue, 1, claimable, t)
return t
