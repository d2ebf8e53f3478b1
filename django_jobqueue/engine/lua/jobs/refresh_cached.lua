-- Store the job that refreshes a cached value, unless another one is under way.
-- Moves: nothing -> queued, scheduled, waiting (its key has waiting jobs);
--   scheduled, queued, waiting -> cancelled (older jobs of its key); waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   digest  digest of the task and its arguments
--   seen    id of the last refresh as the caller read it, or ''
--   keep    seconds that the value is kept without a newer one; 0: for ever
--   job...  as in enqueue
-- Returns: when the job was stored, in ms; '' if another refresh is under way, or was stored since
--     the caller read the value; error DETACHED
-- Atomic: each of many callers that find a value stale could store a job

local wrong = bad_job(job) or bad_number('keep', keep) or bad_word('digest', digest)
if wrong then return wrong end
local t = now()
local id = unpack(job)
if field_of(id, 'state') then return unpack(store_jobs(job, t)) end
local cached_key = key('cached', digest)
local refresh = hash_fields(cached_key, 'refresh') or ''
if refresh ~= seen or is_open(refresh) then return '' end
local stored = unpack(store_jobs(job, t))
local _, holder = string.match(stored, '^(%d+) (%S+)')
ensure_hash(cached_key)
call('HSET', cached_key, 'refresh', holder or id)
if keep ~= '0' then call('EXPIRE', cached_key, keep) end
return holder and '' or t
