"""Run a job that is not in Redis, in this process, and keep its latest value."""

import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic, time
from typing import Any

from django_jobqueue import cached, compat
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine.cached import CachedResult
from django_jobqueue.exceptions import JobCancelled
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, Reason, State
from django_jobqueue.worker import durable, log_lines
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.interrupt import Interrupt
from django_jobqueue.worker.limits.shared_state import SharedState

WORKER = "in-process"
MAX_RUNS = 100  # of one job in `run_now`: a task that always raises Retry must end


class LocalResults:
    """Keep the latest values of tasks in this process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, int]] = {}  # JSON and ms, by digest
        self._asked_for: set[str] = set()

    def latest(
        self, backend: JobQueueBackend, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> cached.Latest[Any] | None:
        """Return the latest value; enqueue a refresh under the conditions that Redis uses."""
        digest = cached.digest(task, args, kwargs)
        value, at = self._kept.get(digest, (None, 0))
        found = cached.as_latest(task, CachedResult(now_ms(), value, at))
        if digest not in self._asked_for and cached.needs_refresh(task, found):
            self._asked_for.add(digest)
            backend.enqueue(task, args, kwargs)
        return found

    def note(self, result: JobResult[..., Any]) -> JobResult[..., Any]:
        """Keep the value of a job if its task has `keep_latest`; return the result."""
        with suppress(TypeError):  # the function does not accept the arguments
            if key := cached.cache_key(result.task, result.args, result.kwargs):
                digest = key.split()[0]
                self._asked_for.discard(digest)
                if result.state is State.SUCCEEDED:
                    data = payload.dump_value(result.return_value, sys.maxsize)
                    self._kept[digest] = data, now_ms()
        return result


class NoReport:
    """Drop the progress and the log of a run."""

    def progress(self, current: int, total: int, text: str) -> None:
        pass

    def log(self, text: str) -> None:
        pass


@compat.framework_silenced()
def run_now(executor: Executor, prepared: Prepared) -> JobResult[..., Any]:
    """Run a job until it is final, at most MAX_RUNS times, and return its result.

    The log has the lines that a worker writes.
    """
    now = now_ms()
    enqueued_at = prepared.job.enqueued_at or now
    expires_at = replace(prepared.job, enqueued_at=enqueued_at).expires_at
    if expires_at is not None and expires_at <= now:
        return _expire(executor, prepared.job, now)
    job = replace(
        prepared.job,
        state=State.RUNNING,
        fence="1-0",
        worker=WORKER,
        enqueued_at=enqueued_at,
        started_at=now,
        attempted_at=now,
    )
    interrupt = Interrupt(SharedState(multiprocessing, [WORKER]).slot(WORKER))  # never set
    for _ in range(MAX_RUNS):
        log_lines.started(job)
        began = monotonic()
        if job.round:
            row = executor.row_of(job)
            execution = durable.execute(executor, row, job, NoReport(), interrupt)
            execution = durable.settle(row, execution)
        else:
            execution = executor.execute(job, NoReport(), interrupt)
        line = log_lines.EndLine(monotonic() - began)
        line.prepare(execution)
        line.write(execution)
        executor.send_signals(execution, now_ms())
        if execution.task is None:  # the code no longer has it
            return prepared.result
        if execution.result.outcome is not Outcome.RETRIED:
            break
        job = replace(execution.job_after(now_ms()), state=State.RUNNING)
    return executor.result_after(execution, now_ms())


def _expire(executor: Executor, given: Job, now: int) -> JobResult[..., Any]:
    """End a job that was not started in time, as Redis does: it has no run."""
    state, reason = State.CANCELLED, Reason.EXPIRED
    job = replace(given, state=state, reason=reason, finished_at=now)
    result = executor.result(job, executor.task_of(job))
    error = JobCancelled(reason)
    if job.round:
        executor.row_of(job).end(RunResult(Outcome.CANCELLED, reason=reason), error)
    try:
        raise error
    except JobCancelled:  # receivers read it from sys.exc_info()
        compat.signals.task_finished.send_robust(JobQueueBackend, task_result=result)
    return result


def now_ms() -> int:
    return int(time() * 1000)
