"""Run one job and say what it came to. Touches no Redis and never raises.

Before the task's code: signature, task, arguments. After it: value or exception → outcome.
Next: worker/slot.py hands the settlement to engine/claims.py.
"""

import logging
import time
import traceback as tracebacks
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction

from django_jobqueue import compat, retry
from django_jobqueue.cached import kept_as
from django_jobqueue.conf import Options
from django_jobqueue.exceptions import (
    BadSignature,
    Cancel,
    JobCancelled,
    JobTimeout,
    Retry,
    TaskUnknown,
)
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.attempt import Claimed, Settlement, since_requeue
from django_jobqueue.jobs.job import State
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.jobs.result import STATUS_OF, JobContext, JobResult, Report, errors_of, moment
from django_jobqueue.jobs.text import one_line
from django_jobqueue.task import Task, as_called, as_task, find
from django_jobqueue.worker.board import NEVER, Limits
from django_jobqueue.worker.interrupt import UNLIMITED, Interrupt

logger = logging.getLogger("django_jobqueue.worker")

MAX_TRACEBACK = 16_384  # bytes; the end is kept, where the message stands
HOLD = (30.0, 600.0)  # seconds that a job of an unknown task is held, at first and at most

Hide = Callable[[str], str]  # takes the call's secrets out of a text
Show = Callable[[], JobResult[..., Any]]  # made only when somebody looks at it
STATE_AFTER = {
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    "retried": State.SCHEDULED,
    "released": State.QUEUED,
}


@dataclass(slots=True)
class Outcome:
    """What a run came to: for the store, and for those who listen."""

    settlement: Settlement
    show: Show | None = None  # makes the result as it was at the start; None: not run
    exception: BaseException | None = None
    value: Any = None  # what the task returned


class Executor:
    """Run jobs of one alias in this thread."""

    def __init__(self, alias: str, options: Options, signer: payload.Signer, backend: type) -> None:
        """Prepare; `backend` is the sender of Django's signals."""
        self._alias = alias
        self._options = options
        self._signer = signer
        self._backend = backend

    def execute(self, job: Claimed, worker: str, report: Report, interrupt: Interrupt) -> Outcome:
        """Run the job; `report` takes what it tells, `interrupt` may end it."""
        try:
            task, args, kwargs = self._open(job)
        except TaskUnknown as error:
            return self._hold(job, error)
        except (BadSignature, ValueError) as error:
            return self._refuse(job, error)
        show = partial(self._result, job, task, worker, args, kwargs)
        run = partial(self._call, job, task, args, kwargs, interrupt)
        try:
            value = payload.pure(self._run(job, task, show, report, run), None)
            data = payload.dump_value(value, self._options.max_result)
            latest = kept_as(task, args, kwargs)
        except BaseException as error:
            interrupt.off()  # the exception may have come on the way to the first call of it
            hide = partial(Redactor(task, self._options.sensitive).text, args=args, kwargs=kwargs)
            return Outcome(self._settle_error(job, as_task(task), error, hide), show, error)
        stored = b"" if data == b"null" else data
        settled = Settlement(outcome="succeeded", result=stored, latest=latest)
        return Outcome(settled, show, value=value)

    def announce(self, outcome: Outcome, now_ms: int) -> bool:
        """Send task_finished for a run that the store accepted, if it ended its job.

        Returns whether somebody may have heard it.
        """
        finished = compat.signals.task_finished
        level = logging.INFO if outcome.exception is None else logging.ERROR
        if not compat.is_heard(finished, level):
            return False
        result = self.conclude(outcome, now_ms)
        if result is None or not result.state.is_final:
            return False
        try:
            if outcome.exception is not None:
                raise outcome.exception
        except BaseException:  # receivers find it in sys.exc_info()
            finished.send_robust(self._backend, task_result=result)
        else:
            finished.send_robust(self._backend, task_result=result)
        return True

    def conclude(self, outcome: Outcome, now_ms: int) -> JobResult[..., Any] | None:
        """Return the result as it is after the run; None if the task's code was not reached."""
        if outcome.show is None:
            return None
        result, settled = outcome.show(), outcome.settlement
        result._become(STATE_AFTER[settled.outcome])
        object.__setattr__(result, "_return_value", outcome.value)
        object.__setattr__(result, "finished_at", moment(now_ms))
        if settled.exception != "-":
            error = compat.TaskError(
                exception_class_path=settled.exception, traceback=settled.traceback
            )
            result.errors.append(error)
        return result

    def _open(self, job: Claimed) -> tuple[Any, list[Any], dict[str, Any]]:
        """Return the task and the arguments of a job, if this project wrote it."""
        if job.payload is None:
            raise ValueError("its arguments are gone from Redis")
        data = self._signer.verify(job.id, job.task, job.payload)
        args, kwargs = payload.load_call(data)
        return find(job.task), args, kwargs

    def _run(
        self, job: Claimed, task: Any, show: Show, report: Report, run: Callable[..., Any]
    ) -> Any:
        """Tell those who listen, and run the task with its context if it wants that."""
        started = compat.signals.task_started
        heard = compat.is_heard(started, logging.INFO)
        if not heard and not task.takes_context:
            return run()
        result = show()
        if heard:
            started.send_robust(self._backend, task_result=result)
        if task.takes_context:
            return run(JobContext(task_result=result, fence=job.fence, _report=report))
        return run()

    def _call(
        self,
        job: Claimed,
        task: Any,
        args: list[Any],
        kwargs: dict[str, Any],
        interrupt: Interrupt,
        *context: JobContext,
    ) -> Any:
        """Call the task's function; only in here it may be interrupted."""
        awaits = iscoroutinefunction(task.func)
        limits = _limits(job, task, interrupt.claimed_at)
        try:
            interrupt.on(job.fence, limits, awaits=awaits)
            if awaits:
                call = async_to_sync(interrupt.watched)
                return call(task.func, (*context, *args), kwargs)
            return task.func(*context, *args, **kwargs)
        finally:
            interrupt.off()

    def _result(
        self, job: Claimed, task: Any, worker: str, args: list[Any], kwargs: dict[str, Any]
    ) -> JobResult[..., Any]:
        runs = [run for run in since_requeue(job.runs) if run.counts] if job.runs else []
        attempted_at = moment(job.now)
        return JobResult(
            task=as_called(task, queue_name=job.queue, priority=job.priority),
            id=job.id,
            status=STATUS_OF[State.RUNNING],
            enqueued_at=moment(job.enqueued_at),
            started_at=attempted_at if job.started_at == job.now else moment(job.started_at),
            finished_at=None,
            last_attempted_at=attempted_at,
            args=args,
            kwargs=kwargs,
            backend=self._alias,
            errors=errors_of(runs),
            worker_ids=[*(run.worker for run in runs), worker],
            state=State.RUNNING,
            recoveries=job.recoveries,
            max_attempts=job.max_attempts,
            schedule=job.schedule,
            nominal_time=moment(job.nominal_at),
        )

    def _settle_error(
        self, job: Claimed, task: Task[..., Any], error: BaseException, hide: Hide
    ) -> Settlement:
        if isinstance(error, Cancel):
            return Settlement(outcome="cancelled", reason="by_task")
        if isinstance(error, JobCancelled):
            return Settlement(outcome="cancelled", reason="cancelled")
        failed = Settlement(
            outcome="failed",
            reason="timed_out" if isinstance(error, JobTimeout) else "exception",
            exception=f"{type(error).__module__}.{type(error).__qualname__}",
            traceback=_traceback(error, hide),
        )
        delay = _retry_delay(job, task, error)
        if delay is None:
            return failed
        return failed._replace(outcome="retried", reason="", delay_ms=int(delay * 1000))

    def _hold(self, job: Claimed, error: TaskUnknown) -> Outcome:
        """Give a job back whose task this code does not have: a deploy may be under way."""
        since = 0.0 if job.held_since is None else (job.now - job.held_since) / 1000
        if job.held_since is not None and since >= self._options.unknown_task_grace:
            return Outcome(_refusal("task_unknown", error), exception=error)
        delay = max(HOLD[0], min(HOLD[1], since))
        logger.warning("%s Job %s is held for %d s.", error, job.id, delay)
        return Outcome(
            Settlement(outcome="released", reason="task_unknown", delay_ms=int(delay * 1000))
        )

    def _refuse(self, job: Claimed, error: Exception) -> Outcome:
        reason = "bad_signature" if isinstance(error, BadSignature) else "damaged"
        job_id = one_line(job.id)  # nobody may have signed it
        logger.error("Job %s was not run: %s", job_id, error, extra={"job_id": job_id})
        return Outcome(_refusal(reason, error), exception=error)


def _refusal(reason: str, error: Exception) -> Settlement:
    return Settlement(
        outcome="failed",
        reason=reason,
        exception=f"{type(error).__module__}.{type(error).__qualname__}",
        traceback=f"{type(error).__name__}: {error}\n",
    )


def _retry_delay(job: Claimed, task: Task[..., Any], error: BaseException) -> float | None:
    """Return the seconds until the next attempt; None: the job has failed."""
    if isinstance(error, Retry):
        return retry.delay(task.backoff, job.attempt) if error.after is None else error.after
    if job.attempt >= job.max_attempts:
        return None
    # The default, Exception, shall mean a time-out too, though `except Exception` must not.
    wanted = isinstance(error, task.retry_for) or (
        isinstance(error, JobTimeout) and Exception in task.retry_for
    )
    if not wanted or isinstance(error, task.no_retry_for):
        return None
    return retry.delay(task.backoff, job.attempt)


def _limits(job: Claimed, task: Any, claimed_at: float) -> Limits:
    """Return what a run may not exceed, from now on."""
    if not isinstance(task, Task) or not task.is_limited:
        return UNLIMITED
    soft = NEVER if task.timeout is None else time.monotonic() + retry.seconds(task.timeout)
    again = _retry_delay(job, task, JobTimeout())
    return Limits(
        guarded=claimed_at if task.stop_on_lease_loss else NEVER,
        soft=soft,
        hard=soft + task.kill_grace if soft else NEVER,
        grace=task.kill_grace,
        retry=-1.0 if again is None else again,
    )


def _traceback(error: BaseException, hide: Hide) -> str:
    text = hide("".join(tracebacks.format_exception(error)))
    data = text.encode(errors="backslashreplace")
    if len(data) <= MAX_TRACEBACK:
        return data.decode()
    return "[…]\n" + data[-MAX_TRACEBACK + 8 :].decode(errors="ignore")
