"""Scripts of which a command fails half-way, as one does that an ACL forbids."""

_SOURCE = """
local real, calls = redis, 0
local breaks_at = BREAKS_AT
local function breaks() calls = calls + 1 return calls == breaks_at end
local redis = {
  error_reply = real.error_reply,
  call = function(...) return real.call(unpack(breaks() and {'BROKEN'} or {...})) end,
  pcall = function(...)
    if not breaks() then return real.pcall(...) end
    breaks_at = calls + 1 -- who asks again hears the same
    return {err = 'NOPERM'}
  end,
}
"""


def breaker(breaks_at: str) -> str:
    """Return what to put before the clock of the scripts: their command of that number fails.

    The number is the value of a Lua expression; `real` is the Redis that does not fail.
    """
    return _SOURCE.replace("BREAKS_AT", breaks_at)
