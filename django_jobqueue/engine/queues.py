"""Write whole queues: pause, resume, and maintain them (promote, reap, trim, sum, tell of ends)."""

import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.job_reader import read_job
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import FINAL
from django_jobqueue.jobs.text import one_line, text

logger = logging.getLogger("django_jobqueue")

LIMIT = 500  # jobs per maintenance call at most
# Jobs per promotion at most: many may be due at one instant, and a script blocks the server.
PROMOTED = 100
PAGE = 1000  # names read by one call
CLOCK_TOLERANCE_MS = 1000  # a clock that is corrected by less is not worth a line


class Page(NamedTuple):
    """What a call of the maintenance did to a page of the queues."""

    next: str  # name of the queue with which the next page begins; empty: this was the last
    states: dict[str, str] = {}  # of the jobs taken back, by id
    removed: int = 0

    @property
    def is_full(self) -> bool:
        """Return whether the call did as much as it may, so that more is left at once."""
        return max(len(self.states), self.removed) >= LIMIT


class Queues:
    """Write the queues of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run
        self._silent_until: dict[tuple[str, str], float] = {}  # monotonic, by queue and state

    def names(self) -> list[str]:
        """Return the names of all queues that hold a job, and "default", which comes first."""
        return [name for page in self.pages() for name in page]

    def pages(self) -> Iterator[list[str]]:
        """Yield the names of all queues that hold a job in pages, "default" first."""
        yield ["default"]
        first = b"-"
        while found := self._page(first):
            if names := [name for name in map(text, found) if name != "default"]:
                yield names
            first = b"(" + found[-1]

    def _page(self, first: bytes) -> list[bytes]:
        key = self._client.keys("names")
        (found,) = self._client.read(lambda pipe: pipe.zrangebylex(key, first, "+", 0, PAGE))
        return found or []

    def pause(self, queue: str, *, by: str = "") -> bool:
        """Stop claims from a queue; return whether it was not paused before.

        `by` says who does so, to people who look at the queue.
        """
        return bool(self._run("pause", queue=queue, by=one_line(by)))

    def resume(self, queue: str) -> bool:
        """Allow claims from a queue again; return whether it was paused."""
        return bool(self._run("resume", queue=queue))

    def promote(self, limit: int = PROMOTED) -> int:
        """Make at most `limit` due jobs claimable; return how many (if `limit`, call again)."""
        return int(self._run("promote", limit=limit))

    def reap(
        self, first: str = "", /, *, interval_ms: int, grace_ms: int, limit: int = LIMIT
    ) -> Page:
        """Take back jobs whose lease ended, in the page of queues that begins with `first`."""
        reply = self._run(
            "reap",
            first=first,
            limit=limit,
            interval=interval_ms,
            grace=grace_ms,
            lease=self._client.options.lease_ms,
        )
        if reply[1] > CLOCK_TOLERANCE_MS:
            logger.warning(
                "The clock of the Redis server went back by %.1f s: leases and schedules that "
                "lie ahead of it were brought back, but retries and jobs with a run_after wait for "
                "the time that was computed before.",
                reply[1] / 1000,
            )
        words = [text(word) for word in reply[2:]]
        return Page(text(reply[0]), dict(zip(words[::2], words[1::2], strict=True)))

    def trim(self, first: str = "", limit: int = LIMIT, *, interval_ms: int = 0) -> Page:
        """Remove at most `limit` final jobs past their retention, in a page of the queues.

        The bound on their number may remove some before their time: this is counted and logged.
        Of more than 200 queues only one walk begins in an interval, whichever worker begins it; see
        lua/jobs/trim.lua.
        """
        options = self._client.options
        keep: list[Argument] = []
        for state in sorted(FINAL):
            keep += state, int(options.retention[state] * 1000), options.retention_count[state]
        following, removed, *early = self._run(
            "trim", keep, first=first, limit=limit, interval=interval_ms
        )
        for queue, state, many in zip(early[::3], early[1::3], early[2::3], strict=True):
            self._note_early(text(queue), text(state), int(many))
        return Page(text(following), removed=removed)

    def sum(self, interval_ms: int) -> bool:
        """Add one page of queues to the sums of many queues; return whether pages are left."""
        return bool(self._run("sum", interval=interval_ms))

    def has_ended(self) -> bool:
        """Return whether a job ended without a slot, and nobody was told of that yet."""
        key = self._client.keys("ended")
        return bool(self._client.read(lambda pipe: pipe.zcard(key))[0])

    def pop_ended(self, limit: int) -> dict[str, Job | None]:
        """Take jobs that ended without a slot, by id; None: it is not final any more, or gone.

        The caller tells of them: nobody else gets them, even if the reply is lost.
        """
        reply = self._run("pop_ended", limit=limit)
        ids = map(text, reply[::2])
        return {
            job_id: read_job(job_id, data) for job_id, data in zip(ids, reply[1::2], strict=True)
        }

    def _note_early(self, queue: str, state: str, early: int) -> None:
        """Log once an hour per queue and state that jobs were removed before their time."""
        now = time.monotonic()
        if now < self._silent_until.get((queue, state), 0.0):
            return
        self._silent_until[queue, state] = now + 3600
        logger.warning(
            "%d %s jobs of the queue %s were removed before their RETENTION, because more than "
            "%d were kept (RETENTION_COUNT). The admin counts them all.",
            early,
            state,
            one_line(queue),
            self._client.options.retention_count[state],
        )
