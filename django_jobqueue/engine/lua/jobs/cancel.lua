-- Cancel a job, or the one that stands for it: at once if it has not started, else by telling its
-- worker.
-- Moves: scheduled, queued, waiting -> cancelled; waiting -> queued (admitted)
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   id      id of the job
--   reason  short code
-- Returns: {state before, state now}; {} if there is no such job; error DETACHED
-- Atomic: a claim in between would run a cancelled job

local wrong = bad_word('reason', reason)
if wrong then return wrong end
local was, is = cancel_job(id, reason, now())
local winner = not was and pointed_to(id)
if winner then was, is = cancel_job(winner, reason, now()) end
return {was, is}
