"""The lines that a worker logs about its jobs, all in the logger "django_jobqueue.worker"."""

import logging
from contextlib import suppress

from django_jobqueue.exceptions import TaskUnknown
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.jobs.text import one_line

logger = logging.getLogger("django_jobqueue.worker")
_UNHURT = suppress(Exception)  # no handler of the project may end a slot


class _Words:
    """A job in a line, formatted only if the line is written; its names may be unsigned."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __str__(self) -> str:
        job = self._job
        return one_line(
            f"job={job.id} task={job.task} queue={job.queue} "
            f"attempt={job.attempt} fence={job.fence}"
        )


def started(job: Job) -> None:
    with _UNHURT:
        logger.info("Started %s", _Words(job))


def finished(job: Job, outcome: Outcome, seconds: float) -> None:
    with _UNHURT:
        logger.info("%s in %.3f s: %s", outcome, seconds, _Words(job))


def lease_lost(job: Job) -> None:
    with _UNHURT:
        logger.warning("The lease was lost, the outcome is dropped: %s", _Words(job))


def held(job: Job, error: TaskUnknown, seconds: float) -> None:
    with _UNHURT:
        logger.warning("%s Job %s is held for %d s.", error, job.id, seconds)


def refused(job: Job, error: Exception) -> None:
    job_id = one_line(job.id)  # it may be unsigned
    with _UNHURT:
        logger.error("Job %s was not run: %s", job_id, error, extra={"job_id": job_id})
