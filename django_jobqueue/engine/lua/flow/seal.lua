-- Let the members of a workflow run that wait for no other, once all of them are stored.
-- Moves: waiting -> queued; scheduled, queued, waiting -> cancelled; cancelled -> waiting
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   workflow  id of the workflow
-- Returns: {state of the workflow (`cancelled` also while its cancel is noted), number of members
--     that are missing, notes that are left to follow}; {} if there is no such workflow; error
--     DETACHED
-- Atomic: maintenance could cancel the workflow in between

local record, t = key('workflow', workflow), now()
local state, total, cancel, early = hash_fields(record, 'state', 'total', 'cancel', 'early')
if not state then return {} end
local missing = total - (call_or_false('ZCARD', key('workflow-open', workflow)) or 0)
if state == 'staged' and missing > 0 and not cancel then return {state, missing, 0} end
allow_at_maxmemory()
if state == 'staged' and not cancel then
  note_flow('release ' .. workflow .. ' 0 1 -', t)
  if early then note_flow('check ' .. workflow .. ' 0 1 -', t) end -- for what ended meanwhile
  call('HSET', record, 'state', 'running')
  note_look(workflow, t + FLOW_LOOK)
end
local left = follow_notes(MAX_PAGE, t)
return {state == 'staged' and cancel and 'cancelled' or hash_fields(record, 'state'), 0, left}
