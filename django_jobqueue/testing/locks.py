"""The locks of unique jobs that are not in Redis."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.result_changes import set_created
from django_jobqueue.testing.run import now_ms


class LocalLocks:
    """Keep in this process which job stands for which calls, as Redis does."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}  # id and the end of a window in ms, by digest

    def holder(
        self, job: Job, results: Mapping[str, JobResult[..., Any]]
    ) -> JobResult[..., Any] | None:
        """Return the result of the job that stands for a new one; else note that this one does."""
        digest, _, until = job.unique.partition(" ")
        if not digest:
            return None
        holder, ends = self._held.get(digest, ("", 0))
        found = results.get(holder)
        if found is not None and (ends > now_ms() if ends else not found.state.is_final):
            return found
        window = re.match(r"(\+?)(\d+)", until)
        ends = int(window[2]) + (now_ms() if window[1] else 0) if window else 0
        self._held[digest] = job.id, ends
        return None

    def start(self, job: Job) -> None:
        """Free the lock of a job that begins to run, if it is one of those that end then."""
        digest, _, until = job.unique.partition(" ")
        is_held = self._held.get(digest, ("", 0))[0] == job.id
        if is_held and until.startswith(("start", "newest,")):
            del self._held[digest]


def as_duplicate(result: JobResult[..., Any]) -> JobResult[..., Any]:
    """Return the result of the job that stands for a call, as the caller gets it."""
    found = copy.copy(result)
    set_created(found, False)
    return found
