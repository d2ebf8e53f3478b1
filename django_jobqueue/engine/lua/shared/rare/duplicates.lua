-- Functions about new jobs for which another one stands, because it holds their lock.

-- Returns what the caller of a new job is told if another one stands for it: when that one was
-- stored, its id and state, and the number under which the call may take its place, or 0.
-- If the other one can't stand for it, because only the new one is in the ledger, the time is 0:
-- the caller tries again later. nil: the job is to be stored.
local function duplicate_of(id, unique, t)
  if field_of(id, 'state') then return nil end -- known
  local digest, kind, told = words_of_unique(unique)
  local winner, waits, number = pointed_to(id), true, '0'
  local state, round, enqueued_at = fields_of(winner or id, 'state', 'round', 'enqueued_at')
  if not state then
    winner, state, round, enqueued_at, waits = holder_of(digest, t)
    local is_newest = string.sub(kind, 1, 7) == 'newest,'
    if not winner or is_newest and not waits then return nil end
    complete(winner, state, '', t)
    if told == 'kept' and not round then enqueued_at = '0'
    elseif is_newest then number = int(call('INCR', PREFIX .. 'sequence'))
    elseif told ~= '' then point_to(winner, id) end
  end
  return (enqueued_at or t) .. ' ' .. winner .. ' ' .. state .. ' ' .. number
end

-- Returns whether another job stands for a new one, whose words these are.
local function is_duplicate(words, t)
  local id = unpack(words)
  local name, unique = unpack(words, 8, 9)
  return name == 'unique' and duplicate_of(id, unique, t) ~= nil
end
