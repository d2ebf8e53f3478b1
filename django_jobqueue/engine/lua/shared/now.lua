-- Returns the server's time in ms since the epoch, the only clock for deadlines, as a string like
-- the stored times: arithmetic takes it as it is, a comparison needs tonumber. Tests replace it.
local function now()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', time[2] / 1000)
end

