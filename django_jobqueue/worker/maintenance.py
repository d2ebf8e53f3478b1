"""What time brings about, for all queues of an alias: promote, reap, trim, forget.

Any number of workers may do it at once; each step is one script.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queues import LIMIT

REAP_EVERY = 5.0  # seconds
GRACE = 12.0  # seconds the reaper waits when nobody could renew, see lua/reap.lua


@dataclass(slots=True)
class Tick:
    """Something done again and again."""

    every: float  # seconds
    run: Callable[[], object]
    due: float = field(default_factory=time.monotonic)

    def run_if_due(self) -> None:
        """Run once its time has come; the next time counts from now, even if it fails."""
        now = time.monotonic()
        if now >= self.due:
            self.due = now + self.every
            self.run()


class Maintenance:
    """The ticks of one alias."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ticks = [
            Tick(1.0, self.promote),
            Tick(REAP_EVERY, self.reap),
            Tick(30.0, self.trim),
            Tick(60.0, engine.workers.forget),
        ]

    def promote(self) -> None:
        names = self._engine.queues.names()
        while self._engine.queues.promote(names) >= LIMIT:
            pass

    def reap(self) -> None:
        self._engine.queues.reap(
            self._engine.queues.names(),
            interval_ms=int(REAP_EVERY * 1000),
            grace_ms=int(GRACE * 1000),
        )

    def trim(self) -> None:
        for name in self._engine.queues.names():
            while self._engine.queues.trim(name) >= LIMIT:
                pass
