"""The maintenance of an alias: promote, reap, trim, sum and forget at their intervals.

Any number of workers may run it at the same time, because each step is one script.
"""

import time

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queues import PROMOTED, Page
from django_jobqueue.worker.ticks import Tick

ADMIT_EVERY = 1.0  # seconds
ADVANCE_EVERY = 1.0  # seconds
REAP_EVERY = 5.0  # seconds; a sixth of the lease if that is shorter
# Bounds, in seconds, of the reaper's wait after an outage (engine/lua/jobs/reap.lua).
REAP_GRACE = (2.0, 12.0)
SUM_EVERY = 10.0  # seconds; all workers share one sum
TRIM_EVERY = 30.0  # seconds
# The pages of very many queues are spread, so that the server has time for jobs between them: the
# reaper walks through 125,000 queues in its interval; of more than 10,000, trim and sum take longer
# (decision 20).
PAGES_REAPED = 250  # per interval at most
PAGES = 50  # of trim and sum


class Maintenance:
    """The ticks of one alias."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        lease = engine.options.lease
        # A gap of three intervals means an outage; it must be shorter than a lease.
        self._reap_every = min(REAP_EVERY, lease / 6)
        self._reap_first = self._trim_first = ""  # of the next page of the queues
        self._grace = min(REAP_GRACE[1], max(REAP_GRACE[0], 0.4 * lease))
        self._reap = Tick(self._reap_every, self.reap)
        self._trim = Tick(TRIM_EVERY, self.trim)
        self._sum = Tick(SUM_EVERY, self.sum)
        self.ticks = [
            Tick(1.0, self.promote),
            Tick(ADMIT_EVERY, self._admit),
            Tick(ADVANCE_EVERY, self._advance),
            self._reap,
            self._trim,
            self._sum,
            Tick(60.0, engine.leases.forget),
            Tick(600.0, engine.schedules.forget),
        ]

    def promote(self) -> bool:
        return self._engine.queues.promote() >= PROMOTED

    def _admit(self) -> None:
        self._engine.limits.admit()

    def _advance(self) -> bool:
        return self._engine.workflows.advance() > 0

    def reap(self) -> bool:
        # After a failure the walk begins again: the first page decides whether to wait.
        first, self._reap_first = self._reap_first, ""
        page = self._engine.queues.reap(
            first,
            interval_ms=int(self._reap_every * 1000),
            grace_ms=int(self._grace * 1000),
        )
        self._reap_first = page.next
        return _go_on(self._reap, page, PAGES_REAPED)

    def sum(self) -> None:
        if self._engine.queues.sum(interval_ms=int(SUM_EVERY * 1000)):
            _go_on(self._sum, Page("the next"), PAGES)

    def trim(self) -> bool:
        page = self._engine.queues.trim(self._trim_first, interval_ms=int(TRIM_EVERY * 1000))
        self._trim_first = page.next
        return _go_on(self._trim, page, PAGES)


def _go_on(tick: Tick, page: Page, pages: int) -> bool:
    """Return whether the next page is due at once; else set when it is due, if there is one.

    An interval has time for so many pages.
    """
    if page.next and not page.is_full:
        tick.due = time.monotonic() + tick.every / pages
    return page.is_full
