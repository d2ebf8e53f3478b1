-- Note the numbers of the limits that the code of a worker has; they hold for waiting jobs, too.
-- Moves: nothing
-- KEYS: the prefix of all keys of the alias
-- ARGV:
--   epoch     name of the keys that the process is attached to
--   queues    per limited queue: its name, a space, the number of its jobs that may run at once,
--             a space; '' if no queue is limited
--   tasks...  per task: its path, and a word for each of its limits, in order: number and mode (w,
--             s or o; of a rate r, then ms, a dot and the burst); '' if it has none any more
-- Returns: number of tasks; error DETACHED
-- Atomic: the numbers of two workers could be mixed

local wrong = queues ~= '' and not string.find(queues, '^[%w_.-]+ %d[%w_. -]*$')
  and bad_argument('queues', queues, 'names and numbers')
for at = 1, #tasks, 2 do
  local task, numbers = unpack(tasks, at, at + 1)
  wrong = wrong or bad_word('task', task)
    or not string.find(numbers or 'x', '^[%d.wsor ]*$')
    and bad_argument('tasks', numbers, 'numbers, each with w, s, o or r')
end
if wrong then return wrong end
allow_at_maxmemory()
-- A queue that was full may have room now: it is offered again, for the next claim to look at it.
for queue in string.gmatch(call('HGET', PREFIX .. 'meta', 'limits') or '', '(%S+) %d+') do
  if call('ZCARD', key('queued', queue)) > 0 then note_work(queue, now()) end
end
if queues == '' then call('HDEL', PREFIX .. 'meta', 'limits')
else call('HSET', PREFIX .. 'meta', 'limits', queues) end
local limits = PREFIX .. 'limits'
if #tasks > 0 then
  ensure_hash(limits)
  call('HSET', limits, unpack(tasks))
end
return #tasks / 2
