-- Read all data of one job at one instant.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   id  id of the job
-- Returns: {fields and values, payload, result, progress, attempts, due time, log}; {} if unknown
-- Atomic: a state could be shown with the result of another one

local flat = call_or_false('HGETALL', key('job', id)) or {}
if not flat[1] then return {} end

local function part(command, kind, ...) return call_or_false(command, key(kind, id), ...) end

local state, queue = fields_of(id, 'state', 'queue')
local due = state == 'scheduled' and queue and call('ZSCORE', key(state, queue), id)
return {flat, part('GET', 'payload'), part('GET', 'result'), part('GET', 'progress'),
  part('LRANGE', 'attempts', 0, -1) or {}, due, part('LRANGE', 'log', 0, -1) or {}}
