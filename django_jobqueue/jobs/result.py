"""The result that a caller holds of a job: Django's TaskResult with state, progress and more."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async

from django_jobqueue import compat
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import DEFAULT_MAX_ATTEMPTS, Job
from django_jobqueue.jobs.moments import in_zone, moment
from django_jobqueue.jobs.reraise import reraise_error
from django_jobqueue.jobs.result_changes import STATUS_OF, set_created, set_dropped, set_state
from django_jobqueue.jobs.run import Run
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import LogLine, Progress

P = ParamSpec("P")
R = TypeVar("R")

_REFRESHED = (
    "status",
    "enqueued_at",
    "started_at",
    "finished_at",
    "last_attempted_at",
    "errors",
    "worker_ids",
    "_return_value",
    "_attempts",
    "state",
    "reason",
    "progress",
    "log",
    "recoveries",
    "expires_at",
)
_POLL = (0.01, 0.5)  # seconds between two polls of wait(), at first and at most

_ResultBase: Any = compat.TaskResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult(_ResultBase, Generic[P, R]):  # type: ignore[misc]
    """A job as it was when last read; `refresh()` reads it again."""

    state: State
    reason: str = ""  # why it failed, was cancelled or was released; a short code
    progress: Progress | None = None
    log: tuple[LogLine, ...] = ()  # the last 100 lines that its runs wrote, oldest first
    recoveries: int = 0  # runs lost with their worker
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    schedule: str = ""  # name of the schedule that enqueued it
    nominal_time: datetime | None = None  # the schedule's time for which it was enqueued
    metadata: dict[str, Any] = field(default_factory=dict)  # from task, `using` and middleware
    tags: tuple[str, ...] = ()  # from task, `using` and middleware
    expires_at: datetime | None = None  # it is cancelled if it was not started by then
    # Whether the call has stored a job; False: another one stands for it. None: not stored yet.
    created: bool | None = None
    _attempts: int = 0  # of these, only the last 20 have an entry in `worker_ids`
    # There is no job and there will be none: a rollback, or cancelled before the commit.
    is_dropped: bool = field(default=False, repr=False, compare=False)
    # The commit is over, and Redis did not confirm the job: `refresh()` tells whether there is one.
    store_failed: bool = field(default=False, repr=False, compare=False)

    if TYPE_CHECKING:
        task: Any
        id: str
        status: compat.TaskResultStatus
        enqueued_at: datetime | None
        started_at: datetime | None
        finished_at: datetime | None
        last_attempted_at: datetime | None
        args: list[Any]
        kwargs: dict[str, Any]
        backend: str
        errors: list[compat.TaskError]
        worker_ids: list[str]
        _return_value: Any = field(init=False)

        @property
        def return_value(self) -> R: ...
        @property
        def is_finished(self) -> bool: ...

    def __post_init__(self) -> None:
        """Skip Django's conversion of the arguments, which `payload.pure_call` has made pure."""

    @property
    def attempts(self) -> int:
        """Return how many runs counted as attempts, with the current one."""
        return self._attempts

    @property
    def is_pending(self) -> bool:
        """Return whether the job waits for the commit of its transaction."""
        return self.enqueued_at is None and not self.is_dropped and not self.store_failed

    def refresh(self) -> None:
        """Read the job again; do nothing before its commit, and after a rollback.

        Raises: TaskResultDoesNotExist after its retention, and if its commit could not store it;
        QueueUnavailable.
        """
        if self.is_pending or self.is_dropped:
            return
        latest = self.task.get_backend().get_result(self.id)
        for name in _REFRESHED:
            object.__setattr__(self, name, getattr(latest, name))
        if self.created is None:
            set_created(self, latest.created)

    async def arefresh(self) -> None:
        """See refresh()."""
        await sync_to_async(self.refresh)()

    def cancel(self) -> bool:
        """Cancel the job; return whether it is cancelled, or is running and will be interrupted.

        A running job is interrupted (JobCancelled), and killed if it continues; it may still
        succeed or fail first. Before the commit, the enqueue is dropped.
        Raises: as `refresh` does.
        """
        if self.is_pending:
            drop = getattr(self.task.get_backend(), "drop", None)  # not every backend has a ledger
            if drop is not None:
                drop(self.id)
        if self.is_pending or self.is_dropped:
            set_dropped(self)
            return True
        set_state(self, self.task.get_backend().cancel(self.id))
        return self.state in (State.CANCELLED, State.RUNNING)

    def explain(self) -> list[str]:
        """Return sentences of now: why the job is not running, where it runs, or how it ended."""
        return list(self.task.get_backend().explain(self))

    def wait(self, timeout: float | None = None, *, reraise: bool = False) -> R:
        """Wait until the job is final and return its value.

        Raises: as `refresh` does; TimeoutError after `timeout` seconds; RuntimeError at once before
        the commit; as `return_value`, ValueError if the job failed, was cancelled or was dropped.
        With `reraise`, the task's own exception if it can be made: see jobs/reraise.py.
        """
        if self.is_dropped:
            raise ValueError(f"Job {self.id} was never stored: it was cancelled, or rolled back.")
        if self.is_pending:
            raise RuntimeError(
                f"Job {self.id} waits for the commit of this transaction: it can't finish before."
            )
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, longest = _POLL
        self.refresh()
        while not self.state.is_final:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Job {self.id} is {self.state} after {timeout} s.")
            left = longest if deadline is None else max(0.0, deadline - time.monotonic())
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, longest)
            self.refresh()
        if reraise:
            reraise_error(self)
        return self.return_value


class Prepared(NamedTuple):
    """A job to store and the result that its caller receives."""

    job: Job
    result: JobResult[..., Any]


class _Draft(JobResult[..., Any]):
    """A result while it is made: filling the 23 fields of a frozen class costs 3 µs more."""

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # without it, CPython looks up __setattr__ at each assignment


def result_of(job: Job, task: Any) -> JobResult[..., Any]:
    """Return the result of a job whose payload was opened."""
    state = job.state
    runs = [run for run in job.current_runs if run.counts] if job.runs else []
    result: Any = object.__new__(_Draft)
    result.task = task
    result.id = job.id
    result.status = STATUS_OF[state]
    result.enqueued_at = in_zone(job.enqueued_at) if job.enqueued_at else None
    result.started_at = in_zone(job.started_at) if job.started_at else None
    result.finished_at = in_zone(job.finished_at) if job.finished_at else None
    result.last_attempted_at = in_zone(job.attempted_at) if job.attempted_at else None
    result.args = job.args
    result.kwargs = job.kwargs
    result.backend = task.backend
    result.errors = [_error(run) for run in runs if run.exception] if runs else []
    result.worker_ids = [run.worker for run in runs] if runs else []
    result.state = state
    result.reason = job.reason
    result.progress = Progress(*job.progress) if job.progress else None
    result.log = tuple(LogLine(in_zone(at), text) for at, text in job.log) if job.log else ()
    result.recoveries = job.recoveries
    result.max_attempts = job.max_attempts
    result.schedule = job.schedule
    result.nominal_time = moment(job.nominal_at)
    result.metadata = job.metadata
    result.tags = job.tags
    result.expires_at = moment(job.expires_at) if job.expires else None
    result.created = job.duplicate is None if job.enqueued_at else None
    result.is_dropped = result.store_failed = False
    result._attempts = job.attempts
    result._return_value = payload.load_value(job.result) if state is State.SUCCEEDED else None
    if state is State.RUNNING:
        result._attempts += 1
        result.worker_ids.append(job.worker)
    result.__class__ = JobResult
    return cast("JobResult[..., Any]", result)


def _error(run: Run) -> compat.TaskError:
    return compat.TaskError(exception_class_path=run.exception, traceback=run.traceback)
