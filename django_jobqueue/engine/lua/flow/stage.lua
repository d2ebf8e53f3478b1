-- Store members of a workflow, each once: they wait until it is sealed and their parents have
-- ended. One that is not sealed within an hour is cancelled.
-- Moves: nothing -> waiting
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch      name of the keys that the process is attached to
--   workflow   id of the workflow
--   total      number of its members, without callbacks
--   if_failed  stop: a member that does not succeed stops those that wait for it; continue: it
--              counts as ended
--   keep       ms that the workflow is kept after its end
--   steps      steps that begin with one of these members: per step its number, and those of its
--              first and last member, joined by spaces
--   output     whose results are the workflow's own, signed; '' in all calls but the first
--   jobs...    per member, as in enqueue; the field `flow` is the last but for `fair` and `limits`
-- Returns: the state of the workflow: staged, else nothing was stored; error DETACHED
-- Atomic: maintenance could cancel the workflow in between

local wrong = bad_job(jobs) or bad_place(jobs) or bad_word('workflow', workflow)
  or bad_number('total', total, 'keep', keep)
  or if_failed ~= 'stop' and if_failed ~= 'continue'
  and bad_argument('if_failed', if_failed, 'stop or continue')
  or string.find(steps, '[^%d ]') and bad_argument('steps', steps, 'numbers')
if wrong then return wrong end
local at, t, record = 1, now(), key('workflow', workflow)
local state = hash_fields(record, 'state')
if state and state ~= 'staged' then return state end
if not state then
  note_look(workflow, t + SEAL_WITHIN)
  call('HSET', record, 'state', 'staged', 'created_at', t, 'total', total, 'if_failed', if_failed,
    'keep', keep)
end
if output ~= '' then call('HSET', record, 'output', output) end
for step, bounds in string.gmatch(steps, '(%d+) (%d+ %d+)') do
  call('HSET', key('workflow-steps', workflow), step, bounds)
end
for _ = 1, #jobs / 7 do
  if not jobs[at] then break end
  local id, queue, task, priority, _, payload, more = unpack(jobs, at, at + 6)
  local number, feeds, tags = place_of(unpack(jobs, at + 7, at + 6 + more))
  call('HSET', key('workflow-members', workflow), number, id)
  if feeds ~= '' then call('ZADD', key('workflow-open', workflow), feeds, number) end
  stage_job(id, queue, task, priority, payload, tags, t, unpack(jobs, at + 7, at + 6 + more))
  at = at + 7 + more
end
return 'staged'
