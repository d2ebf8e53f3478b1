"""Tell of jobs that ended without a slot: send Django's `task_finished`, at most once for each.

A slot sends it for the runs that it finishes. All other ends are noted by the script that brings
them about: a cancellation before the run, a run whose process was killed or is gone, damage.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from django_jobqueue import compat
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobInterrupt
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.text import one_line
from django_jobqueue.ledger.settling import exception_of
from django_jobqueue.worker import connections

logger = logging.getLogger("django_jobqueue.worker")


class EndedJobs:
    """The jobs of one alias that ended without a slot."""

    def __init__(self, engine: Engine, tidy: Callable[[], object] = connections.tidy) -> None:
        """Call `tidy` after the receivers of each job, which may have queried."""
        self._queues = engine.queues
        self._backend: Any = compat.task_backends[engine.alias]
        self._tidy = tidy

    def tell_next(self) -> bool:
        """Take the job that ended first and tell of it; return whether there was one.

        Only one: if a receiver ends this process, the other jobs are still told of.
        Raises: QueueUnavailable.
        """
        taken = self._queues.pop_ended(1)
        for job in taken.values():
            if job is not None and compat.is_heard(compat.signals.task_finished, logging.ERROR):
                self._tell(job)
                self._tidy()
        return bool(taken)

    def _tell(self, job: Job) -> None:
        """Call the receivers; neither their errors nor those of the project's modules are fatal."""
        try:
            self._send(self._backend.as_result(job), exception_of(job.state, job.reason))
        except compat.TaskResultMismatch as error:
            logger.warning("No receiver of task_finished is told of an end. %s", one_line(error))
        except BaseException:  # of a module: anything; of a receiver: what Django lets pass
            with suppress(Exception):  # the log may be unable to format it
                logger.exception("Telling of the end of job %s failed.", one_line(job.id))

    def _send(self, result: JobResult[..., Any], exception: JobInterrupt | None) -> None:
        send = partial(compat.signals.task_finished.send_robust, type(self._backend))
        if exception is None:
            send(task_result=result)
            return
        try:
            raise exception
        except JobInterrupt:  # receivers read it from sys.exc_info()
            send(task_result=result)
