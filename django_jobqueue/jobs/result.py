"""What a caller holds of a job: Django's TaskResult with our state, progress and more."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, Protocol, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.signals import setting_changed
from django.utils import timezone

from django_jobqueue import compat
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.attempt import Run
from django_jobqueue.jobs.job import MAX_ATTEMPTS, Job, State
from django_jobqueue.jobs.text import one_line

P = ParamSpec("P")
R = TypeVar("R")
Status = compat.TaskResultStatus

STATUS_OF = {
    State.SCHEDULED: Status.READY,
    State.QUEUED: Status.READY,
    State.WAITING: Status.READY,
    State.RUNNING: Status.RUNNING,
    State.SUCCEEDED: Status.SUCCESSFUL,
    State.FAILED: Status.FAILED,
    State.CANCELLED: Status.FAILED,
}
_REFRESHED = (
    "status",
    "enqueued_at",
    "started_at",
    "finished_at",
    "last_attempted_at",
    "errors",
    "worker_ids",
    "_return_value",
    "state",
    "reason",
    "progress",
    "log",
    "recoveries",
)
_POLL = (0.01, 0.5)  # seconds between two looks of wait(), at first and at most

_ResultBase: Any = compat.TaskResult
_ContextBase: Any = compat.TaskContext


class Progress(NamedTuple):
    """How far a job has come."""

    current: int
    total: int
    text: str

    @property
    def percent(self) -> int:
        return min(100, max(0, self.current * 100 // self.total)) if self.total else 0


class LogLine(NamedTuple):
    """A line of a job's log."""

    at: datetime  # by the server's clock; aware if USE_TZ
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult(_ResultBase, Generic[P, R]):  # type: ignore[misc]
    """A job as it was when last looked at; `refresh()` looks again."""

    state: State
    reason: str = ""  # why it failed, was cancelled or was given back; a short code
    progress: Progress | None = None
    log: tuple[LogLine, ...] = ()  # what its runs wrote, oldest first; the last 100 lines
    recoveries: int = 0  # runs lost with their worker
    max_attempts: int = MAX_ATTEMPTS
    schedule: str = ""  # name of the one that enqueued it
    nominal_time: datetime | None = None  # the schedule's time for which it was enqueued
    _drop: list[bool] = field(default_factory=list, repr=False, compare=False)

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
        @property
        def attempts(self) -> int: ...

    def __post_init__(self) -> None:
        """Leave the arguments as they are: `payload.pure_call` has made them pure."""

    @property
    def is_pending(self) -> bool:
        """Tell whether the job waits for the commit of its transaction."""
        return self.enqueued_at is None

    @property
    def is_dropped(self) -> bool:
        """Tell whether a pending job was cancelled before its commit."""
        return bool(self._drop)

    def refresh(self) -> None:
        """Look at the job again; before its commit there is nothing to see.

        Raises: TaskResultDoesNotExist after its retention, QueueUnavailable.
        """
        if self.is_pending:
            return
        latest = self.task.get_backend().get_result(self.id)
        for name in _REFRESHED:
            object.__setattr__(self, name, getattr(latest, name))

    async def arefresh(self) -> None:
        """See refresh()."""
        await sync_to_async(self.refresh)()

    def cancel(self) -> bool:
        """Cancel the job; tell whether it is cancelled, or was told to end.

        A running one is interrupted (JobCancelled), and killed if it goes on; it may still
        succeed or fail before. Before the commit, the enqueue is dropped.
        Raises: TaskResultDoesNotExist after its retention, QueueUnavailable.
        """
        if self.is_pending:
            self._drop.append(True)
            self._become(State.CANCELLED)
            return True
        self._become(self.task.get_backend().cancel(self.id))
        return self.state in (State.CANCELLED, State.RUNNING)

    def wait(self, timeout: float | None = None) -> R:
        """Wait until the job is final and return its value.

        Raises: TimeoutError after `timeout` seconds; RuntimeError at once before the commit;
        ValueError if the job failed or was cancelled, as `return_value` does.
        """
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
        return self.return_value

    def _become(self, state: State) -> None:
        object.__setattr__(self, "state", state)
        object.__setattr__(self, "status", STATUS_OF[state])

    def _accept(self, stored_at: int) -> None:
        """Note that the script stored the job at the given ms."""
        object.__setattr__(self, "enqueued_at", moment(stored_at))


class Report(Protocol):
    """Takes what a run tells of itself; never raises for Redis, never waits long."""

    def progress(self, current: int, total: int, text: str) -> None: ...
    def log(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext(_ContextBase):  # type: ignore[misc]
    """What a task gets that takes its context."""

    fence: str  # the token of this run; each further run of the job has another
    _report: Report = field(repr=False)

    if TYPE_CHECKING:
        task_result: JobResult[..., Any]

        @property
        def attempt(self) -> int: ...

    @property
    def max_attempts(self) -> int:
        return self.task_result.max_attempts

    @property
    def schedule(self) -> str:
        """Return the name of the schedule that enqueued the job; empty: none did."""
        return self.task_result.schedule

    @property
    def nominal_time(self) -> datetime | None:
        """Return the schedule's time for which the job was enqueued, however late it runs."""
        return self.task_result.nominal_time

    def progress(self, current: int, total: int, text: str = "") -> None:
        """Tell how far the job has come. Best effort: never raises for Redis, never waits long.

        Raises: ValueError for numbers that make no sense.
        """
        if total < 0 or not 0 <= current <= total:
            raise ValueError(f"progress({current!r}, {total!r}): 0 <= current <= total.")
        self._report.progress(int(current), int(total), one_line(text))

    def log(self, text: str) -> None:
        """Add a line to the job's log. Best effort: never raises for Redis, never waits long."""
        self._report.log(one_line(text))


def moment(ms: int | None) -> datetime | None:
    """Return ms since the epoch as a datetime, aware if and only if USE_TZ."""
    return _in_zone(ms) if ms else None


def _in_zone(ms: int) -> datetime:
    aware = datetime.fromtimestamp(ms / 1000, UTC)
    return aware if _use_tz() else timezone.make_naive(aware)


@cache
def _use_tz() -> bool:
    """Return USE_TZ: looking at Django's settings costs as much as making the datetime."""
    return settings.USE_TZ


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == "USE_TZ":
        _use_tz.cache_clear()


setting_changed.connect(_settings_changed)


def result_of(job: Job, task: Any, args: list[Any], kwargs: dict[str, Any]) -> JobResult[..., Any]:
    """Return what a caller sees of a stored job."""
    runs = [run for run in job.current_runs if run.counts]
    running = [job.worker] if job.state is State.RUNNING else []
    result: JobResult[..., Any] = JobResult(
        task=task,
        id=job.id,
        status=STATUS_OF[job.state],
        enqueued_at=moment(job.enqueued_at),
        started_at=moment(job.started_at),
        finished_at=moment(job.finished_at),
        last_attempted_at=moment(job.attempted_at),
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=errors_of(runs),
        worker_ids=[run.worker for run in runs] + running,
        state=job.state,
        reason=job.reason,
        progress=Progress(*job.progress) if job.progress else None,
        log=tuple(LogLine(_in_zone(at), text) for at, text in job.log),
        recoveries=job.recoveries,
        max_attempts=job.max_attempts,
        schedule=job.schedule,
        nominal_time=moment(job.nominal_at),
    )
    if job.state is State.SUCCEEDED:
        object.__setattr__(result, "_return_value", payload.load_value(job.result))
    return result


def errors_of(runs: list[Run]) -> list[compat.TaskError]:
    """Return one TaskError per failed attempt."""
    return [
        compat.TaskError(exception_class_path=run.exception, traceback=run.traceback)
        for run in runs
        if run.exception
    ]
