-- Tell a worker what somebody wants of it: the reply to its next renewal, which comes at once, has
-- the word.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch   name of the keys that the process is attached to
--   worker  id of the worker
--   word    quiet: claim no more; stop: end, as at SIGTERM; stacks: tell where the stacks of the
--           slots are
-- Returns: 1; 0 if there is no such worker; error DETACHED
-- Atomic: the record of a worker that has just gone would come back

local record = key('worker', worker)
if word ~= 'quiet' and word ~= 'stop' and word ~= 'stacks' then
  return bad_argument('word', word, 'quiet, stop or stacks')
end
allow_at_maxmemory()
if call('EXISTS', record) == 0 then return 0 end
if word == 'stacks' then
  call('UNLINK', key('stacks', worker))
  call('HSET', record, 'stacks', '1')
elseif hash_fields(record, 'told') ~= 'stop' then
  call('HSET', record, 'told', word)
end
call('SET', key('renew_now', worker), '1')
return 1
