-- The only clock for deadlines: ms since the epoch, by the server. Tests swap this file.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

