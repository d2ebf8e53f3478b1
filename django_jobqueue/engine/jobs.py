"""The writer of single jobs: enqueue, cancel, requeue, delete, progress, log.

Next: worker/slot.py claims what stands in a queue.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import State
from django_jobqueue.jobs.text import MAX_LINES

CHUNK = 500  # most jobs of one call: a script holds up the whole server while it runs
MILLISECOND = timedelta(milliseconds=1)


class NewJob(NamedTuple):
    """What is stored of a job at first."""

    id: str
    queue: str
    task: str
    payload: bytes  # signed
    priority: int = 0
    due: int | timedelta | None = None  # ms since the epoch, or from the server's now
    fields: tuple[Argument, ...] = ()  # further field and value pairs of the record

    def arguments(self) -> list[Argument]:
        due: Argument = ""
        if isinstance(self.due, timedelta):
            due = f"+{max(0, self.due // MILLISECOND)}"
        elif self.due is not None:
            due = self.due
        given: list[Argument] = [self.id, self.queue, self.task, self.priority, due, self.payload]
        if not self.priority and not self.fields:
            return [*given, 0]
        fields = self.fields + (("priority", self.priority) if self.priority else ())
        return [*given, len(fields), *fields]


class Jobs:
    """Write single jobs of one alias."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call

    def enqueue(self, job: NewJob) -> int:
        """Store a job, unless its id is known; return when it was stored, in ms.

        Raises: QueueUnavailable.
        """
        return int(self._call("enqueue", job.arguments())[0])

    def enqueue_many(self, jobs: Sequence[NewJob]) -> list[int]:
        """Store up to 500 jobs in one call; see `enqueue`."""
        if len(jobs) > CHUNK:
            raise ValueError(f"{len(jobs)} jobs in one call; at most {CHUNK}.")
        arguments = [argument for job in jobs for argument in job.arguments()]
        return [int(at) for at in self._call("enqueue", arguments)] if jobs else []

    def cancel(self, job_id: str, reason: str = "cancelled") -> State:
        """Cancel a job; return its state now: a running one is told to end, and may finish first.

        Raises: JobNotFound.
        """
        return self._moved(job_id, self._call("cancel", id=job_id, reason=reason))

    def requeue(self, job_id: str, *, nonce: str = "") -> State:
        """Run a final job again from the start, or a scheduled one now; return its state.

        Who repeats the call names it by a nonce: it may have run since, and runs no second time.
        Raises: JobNotFound.
        """
        nonce = nonce or os.urandom(8).hex()
        return self._moved(job_id, self._call("requeue", id=job_id, nonce=nonce))

    def delete(self, job_id: str) -> bool:
        """Remove a job with all that belongs to it; tell whether it went: a running one stays.

        Raises: JobNotFound.
        """
        reply = self._call("delete", id=job_id)
        if not reply:
            raise JobNotFound(f"There is no job {job_id}.")
        return not reply[1]

    def progress(self, job_id: str, fence: str, current: int, total: int, text: str) -> bool:
        """Note how far a run has come; tell whether it still holds its lease."""
        words = f"{current} {total} {text}"
        return bool(self._call("progress", id=job_id, fence=fence, progress=words))

    def log(self, job_id: str, fence: str, text: str, *, nonce: str = "") -> bool:
        """Add a line to the job's log; tell whether the run still holds its lease.

        Who repeats the call names the line by a nonce: one that was noted last is not noted again.
        """
        given = {"id": job_id, "fence": fence, "nonce": nonce or os.urandom(8).hex()}
        return bool(self._call("log", **given, text=text, most=MAX_LINES))

    @staticmethod
    def _moved(job_id: str, reply: list[bytes]) -> State:
        if not reply:
            raise JobNotFound(f"There is no job {job_id}.")
        return State(reply[1].decode())
