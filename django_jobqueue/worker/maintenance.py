"""The maintenance of an alias: promote, reap, trim, sum and forget at their intervals.

Any number of workers may run it at the same time, because each step is one script.
"""

import time
from collections.abc import Callable

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queues import PROMOTED, Page
from django_jobqueue.worker.ticks import Tick

ADMIT_EVERY = 1.0  # seconds
ADVANCE_EVERY = 1.0  # seconds
REAP_EVERY = 5.0  # seconds; a sixth of the lease if that is shorter
# Bounds, in seconds, of the reaper's wait after an outage (engine/lua/jobs/reap.lua).
REAP_GRACE = (2.0, 12.0)
TRIM_EVERY = 30.0  # seconds
SUM_EVERY = 10.0  # seconds; all workers share one sum
# The pages of very many queues are spread, so that the server has time for jobs between them. In
# its interval the reaper walks through 125,000 queues, trim and sum through 10,000: of more, these
# take longer (docs/decisions/0020).
REAPED_PAGES = 250  # per interval at most
COUNTED_PAGES = 50


class Maintenance:
    """The ticks of one alias."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        lease = engine.options.lease
        # A gap of three intervals means an outage; it must be shorter than a lease.
        self._reap_every = min(REAP_EVERY, lease / 6)
        self._grace = min(REAP_GRACE[1], max(REAP_GRACE[0], 0.4 * lease))
        self.ticks = [
            Tick(1.0, self.promote),
            Tick(ADMIT_EVERY, self._admit),
            Tick(ADVANCE_EVERY, self._advance),
            Walk(self._reap_every, REAPED_PAGES, self._reap).tick,
            Walk(TRIM_EVERY, COUNTED_PAGES, self._trim).tick,
            Walk(SUM_EVERY, COUNTED_PAGES, self._sum).tick,
            Tick(60.0, engine.leases.forget),
            Tick(600.0, engine.schedules.forget),
        ]

    def promote(self) -> bool:
        return self._engine.queues.promote() >= PROMOTED

    def _admit(self) -> None:
        self._engine.limits.admit()

    def _advance(self) -> bool:
        return self._engine.workflows.advance() > 0

    def _reap(self, first: str) -> Page:
        return self._engine.queues.reap(
            first,
            interval_ms=int(self._reap_every * 1000),
            grace_ms=int(self._grace * 1000),
        )

    def _trim(self, first: str) -> Page:
        return self._engine.queues.trim(first, interval_ms=int(TRIM_EVERY * 1000))

    def _sum(self, first: str) -> Page:
        is_more = self._engine.queues.sum(interval_ms=int(SUM_EVERY * 1000))
        return Page("the next" if is_more else "")


class Walk:
    """A walk through all queues, page by page, that begins again at each interval."""

    def __init__(self, every: float, pages: int, ask: Callable[[str], Page]) -> None:
        """Call `ask` with the name that begins a page; an interval has time for so many pages."""
        self.tick = Tick(every, self._next)
        self._pause = every / pages
        self._ask = ask
        self._first = ""  # of the next page
        self._began = 0.0  # monotonic

    def _next(self) -> bool:
        """Do a page; return whether the next is due at once, else set when it is due."""
        first, self._first = self._first, ""  # after a failure the walk begins again
        now = time.monotonic()
        if not first:
            self._began = now
        page = self._ask(first)
        self._first = page.next
        self.tick.due = now + self._pause if page.next else self._began + self.tick.every
        return page.is_full
