"""The maintenance of an alias: promote, reap, trim, sum and forget at their intervals.

Any number of workers may run it at the same time, because each step is one script.
"""

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queues import PROMOTED
from django_jobqueue.worker.ticks import Tick

REAP_EVERY = 5.0  # seconds; a sixth of the lease if that is shorter
# Bounds, in seconds, of the reaper's wait after an outage (engine/lua/jobs/reap.lua).
REAP_GRACE = (2.0, 12.0)
SUM_EVERY = 10.0  # seconds; all workers share one sum


class Maintenance:
    """The ticks of one alias."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        lease = engine.options.lease
        # A gap of three intervals means an outage; it must be shorter than a lease.
        self._reap_every = min(REAP_EVERY, lease / 6)
        self._reap_first = self._trim_first = ""  # of the next page of the queues
        self._grace = min(REAP_GRACE[1], max(REAP_GRACE[0], 0.4 * lease))
        self.ticks = [
            Tick(1.0, self.promote),
            Tick(self._reap_every, self.reap),
            Tick(30.0, self.trim),
            Tick(SUM_EVERY, self.sum),
            Tick(60.0, engine.leases.forget),
            Tick(600.0, engine.schedules.forget),
        ]

    def promote(self) -> bool:
        return self._engine.queues.promote() >= PROMOTED

    def reap(self) -> bool:
        # After a failure the walk begins again: the first page decides whether to wait.
        first, self._reap_first = self._reap_first, ""
        page = self._engine.queues.reap(
            first,
            interval_ms=int(self._reap_every * 1000),
            grace_ms=int(self._grace * 1000),
        )
        self._reap_first = page.next
        return bool(page.next)

    def sum(self) -> bool:
        return self._engine.queues.sum(interval_ms=int(SUM_EVERY * 1000))

    def trim(self) -> bool:
        self._trim_first = self._engine.queues.trim(self._trim_first).next
        return bool(self._trim_first)
