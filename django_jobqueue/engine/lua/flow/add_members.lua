-- Add members to a workflow that runs, each once, for a member of it that runs, too. They run at
-- once, and the step that the adding member's group feeds waits for them.
-- Moves: nothing -> waiting; waiting -> queued
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   workflow  id of the workflow
--   id        id of the job that adds them
--   fence     fence of its run
--   group     number of the group whose result gets theirs
--   feeds     step that they feed
--   most      number of members that the workflow may have
--   jobs...   per member, as in enqueue; the field `flow` has, where a member has its number, the
--             name that the payload says
-- Returns: 'ok'; 'stale' if that run does not hold its job any more, 'ended' if the workflow does
--     not run or is being cancelled, and 'full': then nothing was added; error DETACHED
-- Atomic: the group could end before its new members are open

local wrong = bad_job(jobs) or bad_place(jobs) or bad_word('workflow', workflow)
  or bad_number('group', group, 'feeds', feeds, 'most', most)
if wrong then return wrong end
local record, t = key('workflow', workflow), now()
local state, cancel, total = hash_fields(record, 'state', 'cancel', 'total')
local held, current, asked = fields_of(id, 'state', 'fence', 'cancel')
if held ~= 'running' or current ~= fence then return 'stale' end
if state ~= 'running' or cancel or asked then return 'ended' end
local at, more = 1, count_unknown(workflow, jobs)
if total + more > tonumber(most) then return 'full' end
for _ = 1, #jobs / 7 do
  if not jobs[at] then break end
  local words = {unpack(jobs, at, at + 6 + jobs[at + 6])}
  add_member(workflow, group, feeds, words, t)
  at = at + #words
end
return 'ok'
