-- Store jobs, each once: a job whose id is known is left as it is.
-- Moves: nothing -> queued, scheduled, waiting (its key has waiting jobs);
--   scheduled, queued, waiting -> cancelled (older jobs of its key); waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch    name of the keys that the process is attached to
--   jobs...  per job: id, queue, task, priority, due ('' now, ms, or '+' and ms from now),
--            payload, number of further words, then these: field, value, ... (`unique`,
--            then `tags` first; `fair`, then `limits` last)
-- Returns: when each job was stored, in ms; for a known id, when it first was; if another job holds
--     its lock, and nothing was stored: when that one was stored (0: the call has to come again,
--     because only the new job is in the ledger), its id and state, and the number for replace or
--     0, joined by spaces; error DETACHED
-- Atomic: a slot could claim a job whose call then fails, and a repeat would store it again

return bad_job(jobs) or store_jobs(jobs, now())
