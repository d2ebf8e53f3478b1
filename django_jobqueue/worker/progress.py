"""The storage of a run's progress and log lines, with short time-outs.

A failure here must not fail the run: if Redis does not store a report, this report and those of
the next `PAUSE_AFTER_FAILURE` seconds are dropped.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django_jobqueue.engine.jobs import Jobs
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job

logger = logging.getLogger("django_jobqueue.worker")

PROGRESS_EVERY = 0.2  # seconds between two stored progress reports of a run
PAUSE_AFTER_FAILURE = 5.0  # seconds without further calls


@dataclass(slots=True)
class ReportPause:
    """The pause after a failure, shared by the runs of a slot."""

    until: float = 0.0  # monotonic


class ProgressReporter:
    """Store the progress and the log lines of one run."""

    def __init__(self, jobs: Jobs, job: Job, pause: ReportPause) -> None:
        """Store through `jobs`, whose calls have short time-outs."""
        self._jobs = jobs
        self._id = job.id
        self._fence = job.fence
        self._pause = pause
        self._progress_at = 0.0  # monotonic
        self._lost = 0  # lines of the whole run that may be missing
        self._untold = 0  # those of them that the job's log does not tell of yet

    def progress(self, current: int, total: int, text: str) -> None:
        """Store a progress report, unless one was just stored; always store the last one."""
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_EVERY or current == total:
            self._progress_at = now
            self._store(partial(self._jobs.progress, self._id, self._fence, current, total, text))

    def log(self, text: str) -> None:
        """Store a log line, after a note about lines that were dropped before it."""
        if not (self._tell_untold() and self._store_line(text)):
            self._lost += 1
            self._untold += 1

    def end(self) -> None:
        """Tell about lines that were dropped, in the job's log and in the worker's."""
        if self._lost:
            self._pause.until = 0.0  # this one is worth another attempt
            self._tell_untold()
            logger.warning(
                "Lines that may be missing in the log of job %s, because Redis did not answer in "
                "time: %d",
                self._id,
                self._lost,
            )

    def _tell_untold(self) -> bool:
        """Store a note about untold lines; return whether there are none now."""
        if self._untold and self._store_line(
            f"Lines that may be missing here, because Redis did not answer in time: {self._untold}"
        ):
            self._untold = 0
        return not self._untold

    def _store_line(self, line: str) -> bool:
        return self._store(partial(self._jobs.log, self._id, self._fence, line))

    def _store(self, store: Callable[[], object]) -> bool:
        """Store a report; return whether that was done."""
        if time.monotonic() < self._pause.until:
            return False
        try:
            store()
        except JobQueueError as error:
            self._pause.until = time.monotonic() + PAUSE_AFTER_FAILURE
            logger.debug("What job %s told was not stored: %s", self._id, error)
            return False
        return True
