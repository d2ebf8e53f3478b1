-- Read all of one job at one instant.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  of the job
-- Returns: {fields and values, payload, result, progress, attempts, due time, log}; {} if unknown
-- Atomic: a state could be shown with the result of another

local function part(command, kind, ...)
  local value = redis.pcall(command, key(kind, id), ...)
  if type(value) == 'table' and value.err then return false end -- of the wrong type
  return value
end

local job = part('HGETALL', 'job')
if not job or not job[1] then return {} end
local place = fields_of(id, 'state', 'queue')
local due = place[1] == 'scheduled' and call('ZSCORE', key('scheduled', place[2]), id)
return {job, part('GET', 'payload'), part('GET', 'result'), part('GET', 'progress'),
  part('LRANGE', 'attempts', 0, -1) or {}, due, part('LRANGE', 'log', 0, -1) or {}}
