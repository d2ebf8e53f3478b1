"""Run one job: open → middleware → call → result, without Redis and without raising.

Next: worker/slot_loop.py hands the result to engine/claims.py.
"""

import logging
import time
from contextlib import ExitStack, suppress
from functools import cache
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.dispatch import Signal

from django_jobqueue import compat, middleware, paths, retry
from django_jobqueue.cached import cache_key
from django_jobqueue.conf import Options
from django_jobqueue.exceptions import BadSignature, JobTimeout, TaskUnknown
from django_jobqueue.flow.membership import arguments_of, check_membership
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.context import JobContext, Report, current_report
from django_jobqueue.jobs.envelope import keep_ms
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.moments import moment
from django_jobqueue.jobs.result import JobResult, result_of
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import STATE_AFTER, Outcome, Reason, State
from django_jobqueue.ledger.runs import LedgerRun
from django_jobqueue.signals import attempt_failed
from django_jobqueue.task import Task, as_called
from django_jobqueue.worker.execution import Execution
from django_jobqueue.worker.limits.interrupt import UNLIMITED, Interrupt
from django_jobqueue.worker.limits.shared_state import NEVER, Limits
from django_jobqueue.worker.run_errors import RunErrors, refused

_is_coroutine_function = cache(iscoroutinefunction)


class Executor:
    """Run jobs of one alias in this thread."""

    def __init__(self, alias: str, options: Options, signer: Signer, sender: type) -> None:
        """Load the middleware; `sender` is the sender of the signals."""
        self._alias = alias
        self._options = options
        self._signer = signer
        self._sender = sender
        self._around = middleware.load(options.middleware).run
        self._errors = RunErrors(options, signer, self.result)

    def execute(
        self, job: Job, report: Report, interrupt: Interrupt, row: LedgerRun | None = None
    ) -> Execution:
        """Run the job, which `interrupt` may end; `row`: of a durable job, see durable.py."""
        try:
            task = self.task_of(job)
        except TaskUnknown as error:
            return self._errors.release_unknown(job, error)
        except (BadSignature, ValueError) as error:
            is_foreign = isinstance(error, BadSignature)
            reason = Reason.BAD_SIGNATURE if is_foreign else Reason.DAMAGED
            return refused(job, reason, error)
        returned, outer = False, current_report.set(report)
        try:
            value = self._run(job, task, report, interrupt, row)
            returned = True
            return Execution(job, self._succeeded(job, task, value), task)
        except BaseException as error:
            is_bad = returned or (row is not None and row.is_value_bad)
            return self._errors.execution_of(job, task, error, is_final=is_bad)
        finally:
            current_report.reset(outer)  # a job may run another one eagerly

    def task_of(self, job: Job) -> Any:
        """Open the job and return its task.

        Raises: BadSignature, ValueError, TaskUnknown.
        """
        job.open(self._signer)
        if job.flow:
            check_membership(job)
        return paths.find(job.task)

    def row_of(self, job: Job) -> LedgerRun:
        return LedgerRun(self._alias, self._options.database, job)

    def send_signals(self, execution: Execution, now_ms: int) -> bool:
        """Send the signals of a run that Redis accepted; return whether any was sent."""
        outcome, error = execution.result.outcome, execution.exception
        if execution.task is None:
            return False
        signals: list[tuple[Signal, dict[str, Any]]] = []
        if outcome in (Outcome.FAILED, Outcome.RETRIED) and attempt_failed.receivers:
            signals.append((attempt_failed, _failure(execution, now_ms)))
        finished = compat.signals.task_finished
        level = logging.INFO if error is None else logging.ERROR
        if STATE_AFTER[outcome].is_final and compat.is_heard(finished, level):
            signals.append((finished, {}))
        if not signals:
            return False
        result = self.result_after(execution, now_ms)
        if error is None:
            self._send(signals, result)
            return True
        try:
            raise error
        except BaseException:  # receivers read it from sys.exc_info()
            self._send(signals, result)
        return True

    def result(self, job: Job, task: Any) -> JobResult[..., Any]:
        """Return the public result of an opened job, for its task and the receivers of signals."""
        called = as_called(task, queue_name=job.queue, priority=job.priority, backend=self._alias)
        return result_of(job, called)

    def result_after(self, execution: Execution, now_ms: int) -> JobResult[..., Any]:
        """Return the public result of a job that was run."""
        job = execution.job_after(now_ms)
        job.open(self._signer)  # the function may have changed its arguments
        return self.result(job, execution.task)

    def _send(
        self, signals: list[tuple[Signal, dict[str, Any]]], result: JobResult[..., Any]
    ) -> None:
        for signal, arguments in signals:
            with suppress(Exception):  # Django logs what a receiver raises, and the log may raise
                signal.send_robust(self._sender, task_result=result, **arguments)

    def _run(
        self, job: Job, task: Any, report: Report, interrupt: Interrupt, row: LedgerRun | None
    ) -> Any:
        """Call the task's function inside the middleware and return its value."""
        started = compat.signals.task_started
        heard = compat.is_heard(started, logging.INFO)
        if not heard and not task.takes_context and not self._around:
            return self._call(job, task, arguments_of(job), interrupt, row)
        result = self.result(job, task)
        if heard:
            self._send([(started, {})], result)
        context = JobContext(task_result=result, fence=job.fence, _report=report, _flow=job.member)
        args = [context, *arguments_of(job)] if task.takes_context else arguments_of(job)
        value = None  # if a middleware suppresses the exception
        with ExitStack() as stack:
            for around in self._around:
                stack.enter_context(around(context))
            value = self._call(job, task, args, interrupt, row)
        return value

    def _call(
        self, job: Job, task: Any, args: list[Any], interrupt: Interrupt, row: LedgerRun | None
    ) -> Any:
        """Call the function; with `atomic`, in one transaction with its end."""
        if row is None or not getattr(task, "atomic", False):
            return _call(job, task, args, self._limits(job, task), interrupt)
        return row.atomically(
            lambda: _call(job, task, args, self._limits(job, task), interrupt),
            lambda value: self._succeeded(job, task, value),
        )

    def _succeeded(self, job: Job, task: Any, value: Any) -> RunResult:
        data = b""  # stands for None
        if value is not None:
            data = payload.dump_value(payload.pure(value, None), self._options.max_result)
        cache = ""
        if getattr(task, "keep_latest", False):
            job.open(self._signer)  # the function may have changed its arguments
            cache = cache_key(task, job.args, job.kwargs)
        signed = b"" if job.member is None else job.member.sign(data)
        keep = keep_ms(task, self._options.retention[State.SUCCEEDED])
        return RunResult(Outcome.SUCCEEDED, value=data, cache=cache, keep_ms=keep, signed=signed)

    def _limits(self, job: Job, task: Any) -> Limits:
        """Return the limits of a run that starts now."""
        if not isinstance(task, Task) or not task.is_limited:
            return UNLIMITED
        # The supervisor, which runs no code of the project, uses it if it has to kill the process.
        retry_delay = self._errors.retry_delay(job, task, JobTimeout())
        end = NEVER if task.timeout is None else time.monotonic() + retry.seconds(task.timeout)
        return Limits(
            guarded_since=job.claim_sent_at if task.stop_on_lease_loss else NEVER,
            interrupt_at=end,
            kill_at=end + task.kill_grace if end else NEVER,
            grace=task.kill_grace,
            retry_delay=-1.0 if retry_delay is None else retry_delay,
        )


def _call(job: Job, task: Any, args: list[Any], limits: Limits, interrupt: Interrupt) -> Any:
    """Call the task's function; only this call can be interrupted."""
    awaits = _is_coroutine_function(task.func)
    try:
        try:
            interrupt.on(job.fence, limits, awaits=awaits)
            if awaits:
                return async_to_sync(interrupt.watched)(task.func, args, job.kwargs)
            return task.func(*args, **job.kwargs)
        finally:
            interrupt.off()
    except BaseException:
        interrupt.off()  # an interrupt may come before the first instruction of the call above
        raise


def _failure(execution: Execution, now_ms: int) -> dict[str, Any]:
    """Return the arguments of `attempt_failed`."""
    will_retry = execution.result.outcome is Outcome.RETRIED
    retry_at = moment(now_ms + execution.result.delay_ms) if will_retry else None
    return {"exception": execution.exception, "will_retry": will_retry, "retry_at": retry_at}
