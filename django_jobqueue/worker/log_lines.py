"""The lines that a worker logs about its jobs, all in the logger "django_jobqueue.worker".

One line ends each run. Its level says what is to be done: nothing (INFO), nothing yet (WARNING),
or something (ERROR).
"""

import logging
from contextlib import suppress

from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import Outcome
from django_jobqueue.jobs.text import one_line
from django_jobqueue.worker.execution import Execution

logger = logging.getLogger("django_jobqueue.worker")
_UNHURT = suppress(Exception)  # no handler of the project may end a slot


class _Words:
    """A job in a line, formatted only if the line is written; its names may be unsigned."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __str__(self) -> str:
        job = self._job
        waits_since = job.runs[-1].finished_at if job.runs else job.enqueued_at or job.attempted_at
        return one_line(
            f"job={job.id} task={job.task} queue={job.queue} attempt={job.attempt} "
            f"fence={job.fence} waited={(job.attempted_at - waits_since) / 1000:.3f} s"
        )


def started(job: Job) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        with _UNHURT:
            logger.debug("Started %s", _Words(job))


def lease_lost(job: Job) -> None:
    with _UNHURT:
        logger.warning("The lease was lost, the outcome is dropped: %s", _Words(job))


class EndLine:
    """The line that ends a run which took so many seconds, with its cause if it has not succeeded.

    It says how the job has ended, so it is written when Redis has accepted that; most of its making
    need not wait.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._record: logging.LogRecord | None = None  # of a run that succeeded

    def prepare(self, execution: Execution) -> None:
        if execution.exception is None and logger.isEnabledFor(logging.INFO):
            with _UNHURT:
                words = execution.result.outcome, self._seconds, str(_Words(execution.job))
                # As `logger.info` does, which looks for this line's place on the stack each time.
                self._record = logger.makeRecord(
                    logger.name, logging.INFO, __file__, 0, "%s in %.3f s: %s", words, None
                )

    def write(self, execution: Execution) -> None:
        with _UNHURT:
            if self._record is not None:
                logger.handle(self._record)
            elif execution.exception is not None:
                _ended_by_error(execution, self._seconds)


def _ended_by_error(execution: Execution, seconds: float) -> None:
    job, result, cause = execution.job, execution.result, execution.cause
    words, delay, extra = _Words(job), result.delay_ms / 1000, {"job_id": one_line(job.id)}
    if result.outcome is Outcome.RETRIED:
        logger.warning(
            "failed in %.3f s, runs again in %.3f s: %s: %s",
            seconds,
            delay,
            words,
            cause,
            extra=extra,
        )
    elif result.outcome is Outcome.RELEASED:
        logger.warning("is held for %d s: %s: %s", delay, words, cause, extra=extra)
    elif result.outcome is Outcome.CANCELLED:
        logger.info("cancelled in %.3f s: %s: %s", seconds, words, cause, extra=extra)
    elif execution.task is None:
        logger.error("was not run, and failed: %s: %s", words, cause, extra=extra)
    else:
        logger.error("failed in %.3f s: %s: %s", seconds, words, cause, extra=extra)
