-- The only clock for deadlines: ms since the epoch, by the server. Tests swap this file.
-- A string, as it is stored: Lua adds to it as it stands, and compares it after tonumber.
local function now()
  local time = redis.call('TIME')
  return time[1] .. string.sub('00' .. math.floor(time[2] / 1000), -3)
end

