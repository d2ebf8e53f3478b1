-- Cancel what has not run of a workflow, and tell what runs to end.
-- Moves: scheduled, queued, waiting -> cancelled; waiting -> queued;
--   cancelled -> waiting
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   workflow  id of the workflow
--   reason    short code
-- Returns: {state of the workflow, notes that are left to follow}; {} if there is no such
--     workflow; error DETACHED
-- Atomic: a member that ends in between could release others

local wrong = bad_word('reason', reason)
if wrong then return wrong end
local record, t = key('workflow', workflow), now()
if not hash_fields(record, 'state') then return {} end
allow_at_maxmemory()
cancel_workflow(workflow, reason, t)
local left = follow_notes(MAX_PAGE, t)
return {hash_fields(record, 'state'), left}
