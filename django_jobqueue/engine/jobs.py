"""Write single jobs: enqueue, cancel, requeue, delete, progress, log.

Next: worker/slot_loop.py claims jobs from a queue.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import chain

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.exceptions import JobNotFound, JobQueueError, LockHeld, MemberHeld
from django_jobqueue.jobs.duplicate import stored_at
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.new_record import new_record
from django_jobqueue.jobs.states import STATE_OF, State
from django_jobqueue.jobs.text import MAX_LINES, number, text

CHUNK = 100  # jobs per call at most: a running script blocks the whole server, here for 2 ms
MILLISECOND = timedelta(milliseconds=1)


class RoundNeeded(JobQueueError):
    """A durable job was not requeued: its row must be opened for another round first."""

    def __init__(self, job_id: str, round: int) -> None:
        super().__init__(f"The durable job {job_id} needs a round after {round}.")
        self.round = round  # of the job now


class ValueUnsettled(JobQueueError):
    """A durable job was not deleted: its value must be written to its row first."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The durable job {job_id} stays until its value is in its row.")


class Jobs:
    """Write single jobs of one alias."""

    def __init__(self, client: Client) -> None:
        self._run = client.run

    def enqueue(
        self,
        jobs: Sequence[Job],
        meanwhile: Callable[[], object] | None = None,
        words: Sequence[Argument] = (),
    ) -> list[int]:
        """Store up to 100 jobs in one call, each once; return when each was stored, in ms.

        `meanwhile` is called while the server stores them. `words`: the jobs as `new_jobs_words`
        makes them, if they are made already.
        Raises: ValueError if there are more, QueueUnavailable.
        """
        if len(jobs) > CHUNK:
            raise ValueError(f"{len(jobs)} jobs in one call; at most {CHUNK}.")
        if not jobs:
            return []
        times = self._run("enqueue", words or new_jobs_words(jobs), meanwhile)
        pairs = zip(jobs, times, strict=True)
        return [stored_at(job, at) if job.unique else int(at) for job, at in pairs]

    def enqueue_many(self, jobs: Sequence[Job]) -> Iterator[list[int]]:
        """Store any number of jobs as `enqueue` does; yield what each call returns.

        The words of the next call are made while the server stores the jobs of this one.
        """
        words: list[Argument] = []
        for start in range(0, len(jobs), CHUNK):
            following: list[Argument] = []
            make_ready = partial(_add_words, following, jobs[start + CHUNK : start + 2 * CHUNK])
            yield self.enqueue(jobs[start : start + CHUNK], make_ready, words)
            words = following

    def cancel(self, job_id: str, reason: str = "cancelled") -> State:
        """Cancel a job, or tell a running one to end; return its state now.

        A running job may still succeed or fail. Raises: JobNotFound.
        """
        return self._moved(job_id, self._run("cancel", id=job_id, reason=reason))

    def requeue(self, job_id: str, *, nonce: str = "", round: int = 0) -> State:
        """Run a final job again from the start, or a scheduled one now; return its state now.

        A caller that repeats the call passes the same nonce, so that the job runs only once.
        `round` is that of a durable job's row; see ledger/rounds.py.
        Raises: JobNotFound, RoundNeeded, LockHeld, MemberHeld.
        """
        nonce = nonce or os.urandom(8).hex()
        reply = self._run("requeue", id=job_id, nonce=nonce, round=round or "")
        if len(reply) > 4:
            raise MemberHeld(job_id, text(reply[4]))
        if len(reply) > 3:
            raise LockHeld(job_id, text(reply[3]))
        if len(reply) > 2 and not round:
            raise RoundNeeded(job_id, number(reply[2]))
        return self._moved(job_id, reply)

    def delete(self, job_id: str) -> bool:
        """Remove a job with all its keys unless it is running; return whether it was removed.

        Raises: JobNotFound, ValueUnsettled.
        """
        reply = self._run("delete", id=job_id)
        if not reply:
            raise JobNotFound(f"There is no job {job_id}.")
        if reply[1] == b"unsettled":
            raise ValueUnsettled(job_id)
        return not reply[1]

    def progress(self, job_id: str, fence: str, current: int, total: int, said: str) -> bool:
        """Store the progress of a run; return whether the run still holds its lease."""
        words = f"{current} {total} {said}"
        return bool(self._run("progress", id=job_id, fence=fence, progress=words))

    def log(self, job_id: str, fence: str, line: str, *, nonce: str = "") -> bool:
        """Add a line to the job's log; return whether the run still holds its lease.

        A caller that repeats the call passes the same nonce: the latest line is not added again.
        """
        given = {"id": job_id, "fence": fence, "nonce": nonce or os.urandom(8).hex()}
        return bool(self._run("log", **given, text=line, most=MAX_LINES))

    @staticmethod
    def _moved(job_id: str, reply: list[bytes]) -> State:
        if not reply:
            raise JobNotFound(f"There is no job {job_id}.")
        # A state that is none is that of a damaged record, which is read as failed.
        return STATE_OF.get(reply[1], State.FAILED)


def new_jobs_words(jobs: Sequence[Job]) -> list[Argument]:
    """Return new jobs as the words that lua/jobs/enqueue.lua reads."""
    return [*chain.from_iterable(map(new_job_words, jobs))]


def _add_words(words: list[Argument], jobs: Sequence[Job]) -> None:
    words += new_jobs_words(jobs)


def new_job_words(job: Job) -> list[Argument]:
    """Return a new job as the words that the scripts read (see lua/jobs/enqueue.lua)."""
    due: Argument = "" if job.due_at is None else job.due_at
    if job.delay is not None:
        due = f"+{max(0, job.delay // MILLISECOND)}"
    fields = new_record(job)
    payload = job.payload or b""
    head = [job.id, job.queue, job.task, str(job.priority), due, payload, str(len(fields))]
    return [*head, *fields]
