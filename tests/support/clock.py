"""A server's clock that a test may move."""

from functools import cache

from django_jobqueue.engine import Engine
from django_jobqueue.engine.scripts import Scripts

TEST_CLOCK = """
local function now()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)
    + (redis.call('GET', KEYS[1] .. 'clock') or 0))
end
"""


@cache
def scripts_with(clock: str) -> Scripts:
    """Return the scripts with another clock, loaded once per process: to load them takes long."""
    return Scripts(clock=clock)


class Clock:
    """The server's clock as the scripts of the `clock` fixture see it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def move(self, seconds: float) -> None:
        keys, client = self._engine.client.keys, self._engine.client.redis
        client.incrby(keys("clock"), round(seconds * 1000))
