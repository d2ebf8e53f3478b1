"""Decide how a run ends whose job can't be opened, or whose function has raised."""

from collections.abc import Callable
from typing import Any

from django_jobqueue import retry
from django_jobqueue.conf import Options
from django_jobqueue.exceptions import (
    YEAR,
    Cancel,
    JobCancelled,
    JobTimeout,
    Retry,
    TaskUnknown,
)
from django_jobqueue.jobs import failure
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import Outcome, Reason
from django_jobqueue.jobs.text import one_line
from django_jobqueue.task import Task, as_task
from django_jobqueue.worker.execution import Execution

UNKNOWN_TASK_DELAY = (30.0, 600.0)  # seconds until a job of an unknown task is retried: min, max


class RunErrors:
    """Turn the exceptions of one alias's runs into their ends."""

    def __init__(
        self, options: Options, signer: Signer, result: Callable[[Job, Any], JobResult[..., Any]]
    ) -> None:
        """`result` makes the public result of an opened job."""
        self._options = options
        self._signer = signer
        self._result = result

    def execution_of(self, job: Job, task: Any, error: BaseException, is_final: bool) -> Execution:
        redactor = Redactor(task, self._options.sensitive)
        try:
            job.open(self._signer)  # the function may have changed its arguments
            cause = redactor.line(error, job)
            result = self._result_of(job, as_task(task), error, redactor, is_final)
        except BaseException as fault:  # the exception is code of the project, which may raise
            path = failure.class_path(error)
            cause = f"{path}: it can't be handled ({failure.class_path(fault)})"
            result = RunResult(Outcome.FAILED, b"", Reason.EXCEPTION, path, f"{cause}\n")
        return Execution(job, result, task, error, cause)

    def _result_of(
        self,
        job: Job,
        task: Task[..., Any],
        error: BaseException,
        redactor: Redactor,
        is_final: bool,
    ) -> RunResult:
        """Return how the run ends; `is_final`: another one would do the same work for nothing."""
        cause = retry.cause_of(error)
        if isinstance(cause, Cancel):
            return RunResult(Outcome.CANCELLED, reason=Reason.BY_TASK)
        if isinstance(cause, JobCancelled):
            return RunResult(Outcome.CANCELLED, reason=Reason.CANCELLED)
        delay = None if is_final else self.retry_delay(job, task, cause)
        reason = Reason.TIMED_OUT if isinstance(cause, JobTimeout) else Reason.EXCEPTION
        return RunResult(
            Outcome.FAILED if delay is None else Outcome.RETRIED,
            reason=reason if delay is None else "",
            exception=failure.class_path(error),
            traceback=redactor.traceback(error, job),
            delay_ms=int((delay or 0.0) * 1000),
        )

    def retry_delay(self, job: Job, task: Task[..., Any], error: BaseException) -> float | None:
        """Return the seconds until the next attempt; None: there is none."""
        if isinstance(error, Retry):
            if error.after is not None:
                return retry.checked_delay(error.after, YEAR, type(error), job.attempt)
        elif job.attempt >= job.max_attempts or not _is_retried(task, error):
            return None
        backoff = task.backoff
        if callable(backoff):
            return retry.call_backoff(backoff, error, self._result(job, task), job.attempt)
        return retry.delay(backoff, job.attempt)

    def release_unknown(self, job: Job, error: TaskUnknown) -> Execution:
        """Release a job of an unknown task, which a deploy may add; after the grace, fail it.

        Each release is as long as the job has waited so far, within UNKNOWN_TASK_DELAY.
        """
        held = 0.0
        if job.held_since is not None:
            held = (job.attempted_at - job.held_since) / 1000
            if held >= self._options.unknown_task_grace:
                return refused(job, Reason.TASK_UNKNOWN, error)
        shortest, longest = UNKNOWN_TASK_DELAY
        delay = max(shortest, min(longest, held))
        result = RunResult(Outcome.RELEASED, reason=Reason.TASK_UNKNOWN, delay_ms=int(delay * 1000))
        return Execution(job, result, None, error, one_line(error))


def _is_retried(task: Task[..., Any], error: BaseException) -> bool:
    # The default, Exception, includes a time-out, although JobTimeout is no Exception.
    wanted = isinstance(error, task.retry_for) or (
        isinstance(error, JobTimeout) and Exception in task.retry_for
    )
    return wanted and not isinstance(error, task.no_retry_for)


def refused(job: Job, reason: Reason, error: Exception) -> Execution:
    """Return the end of a job that fails without a run of its function."""
    path, told = failure.class_path(error), failure.message(error)
    result = RunResult(Outcome.FAILED, b"", reason, path, f"{told}\n")
    return Execution(job, result, None, error, one_line(told))
