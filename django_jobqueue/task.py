"""The task: a function with its defaults, made by `@task`.

Next: backend.py stores a call of a task as a job.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Never,
    ParamSpec,
    Self,
    TypeVar,
    Unpack,
    overload,
)

from asgiref.sync import sync_to_async
from django.utils import timezone

from django_jobqueue import compat, conf, foreign_words, paths, retry, task_options
from django_jobqueue.flow import limits, rates
from django_jobqueue.flow.signatures import Signature
from django_jobqueue.flow.unique import Unique
from django_jobqueue.task_options import Exceptions, TaskOptions

if TYPE_CHECKING:
    from django_jobqueue.cached import Latest
    from django_jobqueue.task_options import AsyncTask, ContextDecorator, Decorator
from django_jobqueue.jobs import envelope
from django_jobqueue.jobs.result import JobResult

P = ParamSpec("P")
R = TypeVar("R")
KILL_GRACE = 5.0  # seconds
UNSET: Any = object()  # an argument that is not given, where None says something

# Django's Task is generic for type checkers, and in the backport, but not in Django itself.
_Base: Any = compat.Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(task_options.Patchable, _Base, Generic[P, R]):  # type: ignore[misc]
    """A function with its defaults; calling the task runs the function directly."""

    # Django's own fields, some of which have no default in Django 6.0.
    func: Callable[P, R]
    priority: int = 0
    backend: str = compat.DEFAULT_TASK_BACKEND_ALIAS
    queue_name: str = compat.DEFAULT_TASK_QUEUE_NAME
    run_after: datetime | timedelta | None = None  # the earliest time, or a delay
    takes_context: bool = False

    # The fields of this package.
    name: str = ""  # dotted, of its jobs, so that the function can move; else that of the function
    max_attempts: int | None = None  # attempts before the job fails; None: as in OPTIONS
    max_recoveries: int | None = None  # runs that may be lost with a worker; None: as in OPTIONS
    backoff: retry.Backoff = retry.DEFAULT_BACKOFF
    retry_for: Exceptions = (Exception,)
    no_retry_for: Exceptions = ()  # takes precedence over retry_for
    on_commit: bool | None = None  # wait for the caller's commit; None: if OPTIONS ask for it
    durable: bool | None = None  # keep each job in the ledger until it ends; None: as in OPTIONS
    atomic: bool = False  # end a durable job in the transaction of its function: exactly once
    timeout: retry.Seconds | None = None  # time until JobTimeout is raised in the function
    kill_grace: float = KILL_GRACE  # seconds from JobTimeout or JobCancelled to the kill
    stop_on_lease_loss: bool = False  # kill a run that may have lost its lease (processes only)
    sensitive: tuple[str, ...] = ()  # names of arguments whose values are hidden
    # Keep the latest result for latest(), for ever or until it reaches this age.
    keep_latest: bool | timedelta = False
    retention: timedelta | None = None  # of succeeded jobs; None: as in OPTIONS, which is the most
    refresh_after: retry.Seconds | None = None  # age at which latest() enqueues a refresh
    # Data that every job of the task gets besides its arguments; `using` adds to it.
    metadata: Mapping[str, Any] | None = field(default=None, hash=False)
    tags: Iterable[str] = ()  # by which jobs are found; `using` adds to them
    expires: datetime | timedelta | None = None  # a job not started by then is cancelled
    unique: Unique | None = None  # one job at a time stands for all calls with the same arguments
    runnable: bool | str = False  # from the admin; a text is the permission that this takes
    form: Any = None  # class, or its path, of the form for that; None: made of the signature
    concurrency: limits.Limits = ()  # how many jobs with the same key may run at once
    rate: rates.Rate | None = None  # how many of them may start in a time
    fair_by: str = ""  # template of the key whose jobs take turns with those of other keys
    module_path = property(paths.module_path)  # under which its jobs are stored
    is_plain = cached_property(envelope.is_plain)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or getattr(self.func, "__name__", ""))
        for name in ("retry_for", "no_retry_for"):
            object.__setattr__(self, name, task_options.exceptions(name, getattr(self, name)))
        object.__setattr__(self, "tags", task_options.tags(self))
        object.__setattr__(self, "sensitive", task_options.argument_names(self.sensitive))
        object.__setattr__(self, "concurrency", limits.checked(self, self.concurrency))
        limits.check_keys(self)
        if isinstance(self.backoff, list):
            object.__setattr__(self, "backoff", tuple(self.backoff))
        task_options.validate(self)
        object.__setattr__(self, "kill_grace", retry.seconds(self.kill_grace))
        if isinstance(self.run_after, timedelta) and not hasattr(self.get_backend(), "latest"):
            object.__setattr__(self, "run_after", timezone.now() + self.run_after)
        _Base.__post_init__(self)
        paths.note(self)

    def get_backend(self) -> Any:
        return compat.task_backends[self.backend]  # Django's imports it anew at each call

    @property
    def is_limited(self) -> bool:
        """Return whether the task sets limits of its own for its runs."""
        return self.timeout is not None or self.stop_on_lease_loss or self.kill_grace != KILL_GRACE

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function directly, without a job."""
        return self.func(*args, **kwargs)

    def using(
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | timedelta | None = None,
        backend: str | None = None,
        max_attempts: int | None = None,
        max_recoveries: int | None = None,
        on_commit: bool | None = None,
        durable: bool | None = None,
        refresh_after: retry.Seconds | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Iterable[str] | None = None,
        expires: datetime | timedelta | None = None,
        unique: Unique | None = UNSET,
        concurrency: limits.Limits | None = None,
        rate: rates.Rate | None = None,
        fair_by: str | None = None,
        **unknown: Never,
    ) -> Self:
        """Return the task with other defaults; `metadata` and `tags` are added to the task's own.

        The retry options (backoff, retry_for, no_retry_for) can't be changed, because the worker
        reads them from the task's definition.
        """
        changes: dict[str, Any] = {
            "priority": priority,
            "queue_name": queue_name,
            "run_after": run_after,
            "backend": backend,
            "max_attempts": max_attempts,
            "max_recoveries": max_recoveries,
            "on_commit": on_commit,
            "durable": durable,
            "refresh_after": refresh_after,
            "metadata": task_options.merged(self.metadata, metadata),
            "tags": None if tags is None else task_options.tags(self, tags),
            "expires": expires,
            "concurrency": concurrency,
            "rate": rate,
            "fair_by": fair_by,
        }
        task_options.check_names("using", unknown, [*changes, "unique"])
        given = {name: v for name, v in changes.items() if v is not None}
        return replace(self, **given, unique=self.unique if unique is UNSET else unique)

    def enqueue_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> "JobResult[P, R]":
        """Enqueue a job when the caller's transaction commits, whatever the task's default is."""
        found: JobResult[P, R] = self.using(on_commit=True).enqueue(*args, **kwargs)
        return found

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """Return a call for a workflow; the result of what precedes it there comes first."""
        return Signature(task=self, args=args, kwargs=kwargs)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature:
        """Return a call for a workflow that takes no result."""
        return Signature(task=self, args=args, kwargs=kwargs, takes_result=False)

    def enqueue_many(
        self,
        calls: Iterable[tuple[Any, ...] | list[Any] | Mapping[str, Any]],
        *,
        spread: retry.Seconds | None = None,
    ) -> "Sequence[JobResult[P, R]]":
        """Enqueue one job per call, 100 per round trip; return the results in the same order.

        A call is a list or tuple of positional arguments, or a mapping of keyword arguments.
        `spread` distributes the jobs evenly over this time; the first one is not delayed.
        Raises: ValueError if `spread` is not above 0, or is above a year.
        """
        found: Sequence[JobResult[P, R]] = self._ours("enqueue_many")(self, calls, spread)
        return found

    def latest(self, *args: P.args, **kwargs: P.kwargs) -> "Latest[R] | None":
        """Return the value of the latest successful run with these arguments; None without one.

        With `refresh_after`, one job is enqueued for all callers if the value is missing or older.
        Raises: InvalidTask without `keep_latest`; TypeError, QueueUnavailable.
        """
        if not self.keep_latest:
            raise compat.InvalidTask(
                f"{self.module_path} keeps no latest value: define it with @task(keep_latest=True)."
            )
        found: Latest[R] | None = self._ours("latest")(self, args, kwargs)
        return found

    async def alatest(self, *args: P.args, **kwargs: P.kwargs) -> "Latest[R] | None":
        """See latest()."""
        return await sync_to_async(self.latest)(*args, **kwargs)

    def _ours(self, method: str) -> Callable[..., Any]:
        """Return a method of the backend that not every backend has."""
        backend = self.get_backend()
        if found := getattr(backend, method, None):
            return found  # type: ignore[no-any-return]
        raise compat.InvalidTask(
            f'TASKS["{self.backend}"] is {type(backend).__name__}, which has no {method}(): use '
            "JobQueueBackend, or django_jobqueue.testing.EagerBackend to run jobs at once."
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError, with a hint for what other queues call by this name."""
            raise AttributeError(foreign_words.about_attribute(name, dir(type(self))))

    if TYPE_CHECKING:

        def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobResult[P, R]: ...
        async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobResult[P, R]: ...
        def get_result(self, result_id: str) -> JobResult[P, R]: ...
        async def aget_result(self, result_id: str) -> JobResult[P, R]: ...
        def call(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


Task.thaw()
OPTIONS = {each.name for each in fields(Task)} - {"func", "run_after"}  # of `@task`


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> "AsyncTask[P, R]": ...
@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(*, takes_context: Literal[True], **options: Unpack[TaskOptions]) -> "ContextDecorator": ...
@overload
def task(
    *, takes_context: Literal[False] = False, **options: Unpack[TaskOptions]
) -> "Decorator": ...


def task(function: Any = None, /, *, on_commit: bool | None = None, **given: Any) -> Any:
    """Make a task of a module-level function.

    `on_commit` defaults to `OPTIONS["ENQUEUE_ON_COMMIT"]`, which defaults to True.
    Raises: InvalidTask, TypeError.
    """
    task_options.check_names("@task", given, OPTIONS)
    if on_commit is None:
        alias = given.get("backend", compat.DEFAULT_TASK_BACKEND_ALIAS)
        given_options = conf.raw(alias)
        # The system checks report faults in the options; an import must not fail because of them.
        on_commit = not isinstance(given_options, Mapping) or bool(
            given_options.get("ENQUEUE_ON_COMMIT", True)
        )

    def make(func: Callable[..., Any]) -> Any:
        task_options.check_function(func)
        return Task(func=func, on_commit=on_commit, **given)

    return make if function is None else make(function)


def as_task(given: "compat.Task[..., Any]") -> Task[..., Any]:
    """Return a task of the framework's own class as a Task with this package's defaults."""
    if isinstance(given, Task):
        return given
    return Task(**{each.name: getattr(given, each.name) for each in fields(given)})


def as_called(given: "compat.Task[..., Any]", **changes: Any) -> Any:
    """Return the task with `changes`, such as the queue and priority of one call.

    Nothing is validated, so that stored jobs stay readable when the rules change.
    """
    for name, value in changes.items():
        if getattr(given, name) != value:
            break
    else:
        return given
    copy = object.__new__(type(given))
    for each in fields(given):
        value = changes.get(each.name, getattr(given, each.name))
        object.__setattr__(copy, each.name, value)
    return copy
