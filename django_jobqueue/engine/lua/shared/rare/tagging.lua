-- Functions that keep the indexes of tags; `tags` are words joined by spaces.

-- Puts a job into the indexes of its tags, in whatever state it is.
local function add_tags(id, tags, t)
  for tag in string.gmatch(tags, '%S+') do add_to_set(key('tag', tag), t, id) end
end

local function leave_tags(id, tags)
  for tag in string.gmatch(tags, '%S+') do call_or_false('ZREM', key('tag', tag), id) end
end
