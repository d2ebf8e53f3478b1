"""What a run tells of itself, stored while that is quick: progress and log lines.

Nothing here may cost a job its run: when Redis does not take it, it is dropped, and so is what
follows within some seconds.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.attempt import Claimed

logger = logging.getLogger("django_jobqueue.worker")

PROGRESS_EVERY = 0.2  # seconds between two stored progress reports of a run
PAUSE = 5.0  # seconds in which nothing is stored after a failure


@dataclass(slots=True)
class Silence:
    """How long the runs of a slot keep silent."""

    until: float = 0.0  # monotonic


class RunReport:
    """Store what one run tells, for whoever looks at its job."""

    def __init__(self, jobs: Jobs, job: Claimed, silence: Silence) -> None:
        """`jobs` stores it, or raises soon."""
        self._jobs = jobs
        self._id = job.id
        self._fence = job.fence
        self._silence = silence
        self._progress_at = 0.0  # monotonic

    def progress(self, current: int, total: int, text: str) -> None:
        """Store a progress report, unless one was just stored; the last one always."""
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_EVERY or current == total:
            self._progress_at = now
            self._store(partial(self._jobs.progress, self._id, self._fence, current, total, text))

    def log(self, text: str) -> None:
        """Store a line of the log."""
        self._store(partial(self._jobs.log, self._id, self._fence, text))

    def _store(self, store: Callable[[], object]) -> None:
        if time.monotonic() < self._silence.until:
            return
        try:
            store()
        except JobQueueError as error:
            self._silence.until = time.monotonic() + PAUSE
            logger.debug("What job %s told was not stored: %s", self._id, error)
