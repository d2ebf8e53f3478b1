"""What time brings about, for all queues of an alias: promote, reap, trim, forget.

Any number of workers may do it at once; each step is one script.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queues import LIMIT, PROMOTED

REAP_EVERY = 5.0  # seconds; with a shorter lease than 30 s a sixth of it
# Seconds that the reaper waits when nobody could renew (lua/reap.lua), within these bounds.
GRACE = (2.0, 12.0)


@dataclass(slots=True)
class Tick:
    """Something done again and again."""

    every: float  # seconds
    run: Callable[[], object]  # returns True if it left something to do
    due: float = field(default_factory=time.monotonic)

    def run_if_due(self) -> None:
        """Run once its time has come; the next time counts from now, even if it fails.

        What is left to do is done at the next round, so that nothing else has to wait for it.
        """
        now = time.monotonic()
        if now >= self.due:
            self.due = now + self.every
            if self.run() is True:
                self.due = now


class Maintenance:
    """The ticks of one alias."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        lease = engine.options.lease
        # A gap of three intervals means an outage, and must be seen before a lease can end.
        self._reap_every = min(REAP_EVERY, lease / 6)
        self._grace = min(GRACE[1], max(GRACE[0], 0.4 * lease))
        self.ticks = [
            Tick(1.0, self.promote),
            Tick(self._reap_every, self.reap),
            Tick(30.0, self.trim),
            Tick(60.0, engine.workers.forget),
            Tick(600.0, engine.schedules.forget),
        ]

    def promote(self) -> bool:
        return self._engine.queues.promote(self._engine.queues.names()) >= PROMOTED

    def reap(self) -> bool:
        taken = self._engine.queues.reap(
            self._engine.queues.names(),
            interval_ms=int(self._reap_every * 1000),
            grace_ms=int(self._grace * 1000),
        )
        return len(taken) >= LIMIT

    def trim(self) -> bool:
        queues = self._engine.queues
        return max(queues.trim(name) for name in queues.names()) >= LIMIT
