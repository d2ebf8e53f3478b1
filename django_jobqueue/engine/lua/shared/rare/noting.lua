-- Functions that note what is to be done for workflows; see workflows.lua and notes.lua.

-- Notes what is to be done for a workflow.
local function note_flow(note, t) add_to_set(PREFIX .. 'workflow-notes', t, note) end

-- Notes when maintenance looks next at a workflow.
local function note_look(flow, at) add_to_set(PREFIX .. 'workflows', int(at), flow) end

-- Notes that a member of a workflow is about to be final.
local function note_member(id, flow, t)
  if string.find(flow, '^%S+ %d+ %d+$') then note_flow('end ' .. flow .. ' ' .. id, t) end
end
