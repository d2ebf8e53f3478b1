"""The task: a function with its defaults, made by `@task`, and the registry of all tasks.

Next: backend.py stores a call of it as a job.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from django.utils.module_loading import import_string

from django_jobqueue import compat, options, retry
from django_jobqueue.exceptions import YEAR, TaskUnknown
from django_jobqueue.job import MAX_ATTEMPTS

if TYPE_CHECKING:
    from django_jobqueue.results import JobContext, JobResult

P = ParamSpec("P")
R = TypeVar("R")
KILL_GRACE = 5.0  # seconds
Exceptions = tuple[type[BaseException], ...]

_registry: dict[str, "compat.Task[..., Any]"] = {}

# Django's Task is generic for type checkers, and in the backport, but not in Django itself.
_Base: Any = compat.Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(_Base, Generic[P, R]):  # type: ignore[misc]
    """A function with its defaults; calling it runs the function at once."""

    # Django's own fields; not all have a default in Django 6.0.
    func: Callable[P, R]
    priority: int = 0
    backend: str = compat.DEFAULT_TASK_BACKEND_ALIAS
    queue_name: str = compat.DEFAULT_TASK_QUEUE_NAME
    run_after: datetime | timedelta | None = None  # the earliest time, or a delay
    takes_context: bool = False

    # Ours.
    max_attempts: int = MAX_ATTEMPTS  # runs that may fail before the job does
    max_recoveries: int | None = None  # runs lost with their worker; None: as OPTIONS says
    backoff: retry.Backoff = retry.DEFAULT_BACKOFF
    retry_for: Exceptions = (Exception,)
    no_retry_for: Exceptions = ()  # wins over retry_for
    enqueue_on_commit: bool = False  # wait for the commit of the caller's transaction
    timeout: retry.Seconds | None = None  # then JobTimeout is raised in the function
    kill_grace: float = KILL_GRACE  # seconds from JobTimeout or JobCancelled to the kill
    stop_on_lease_loss: bool = False  # kill a run that may have lost its lease (processes only)
    sensitive: tuple[str, ...] = ()  # names of arguments that people are not shown

    def __post_init__(self) -> None:
        for name in ("retry_for", "no_retry_for"):
            object.__setattr__(self, name, _exceptions(name, getattr(self, name)))
        object.__setattr__(self, "sensitive", _argument_names(self.sensitive))
        if isinstance(self.backoff, list):
            object.__setattr__(self, "backoff", tuple(self.backoff))
        _validate(self)
        _Base.__post_init__(self)
        _registry.setdefault(self.module_path, self)

    @property
    def is_limited(self) -> bool:
        """Tell whether its runs have limits of their own."""
        return self.timeout is not None or self.stop_on_lease_loss or self.kill_grace != KILL_GRACE

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, here and now."""
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
        enqueue_on_commit: bool | None = None,
    ) -> "Task[P, R]":
        """Return the task with other defaults.

        What decides about retries (backoff, retry_for, no_retry_for) stands in the task's
        definition alone: the worker reads it there.
        """
        changes: dict[str, Any] = {
            "priority": priority,
            "queue_name": queue_name,
            "run_after": run_after,
            "backend": backend,
            "max_attempts": max_attempts,
            "max_recoveries": max_recoveries,
            "enqueue_on_commit": enqueue_on_commit,
        }
        return replace(self, **{name: v for name, v in changes.items() if v is not None})

    def enqueue_many(
        self, calls: Iterable[Sequence[Any] | Mapping[str, Any]]
    ) -> "list[JobResult[P, R]]":
        """Enqueue one job per call, 500 in one round trip.

        A call is a list or tuple of positional arguments, or a mapping of keyword arguments.
        """
        many: Callable[..., Any] = self.get_backend().enqueue_many
        found: list[JobResult[P, R]] = many(self, calls)
        return found

    if TYPE_CHECKING:
        module_path: str

        def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobResult[P, R]: ...
        async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobResult[P, R]: ...
        def get_result(self, result_id: str) -> JobResult[P, R]: ...
        async def aget_result(self, result_id: str) -> JobResult[P, R]: ...
        def call(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        def get_backend(self) -> Any: ...


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    takes_context: Literal[True],
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    max_attempts: int = ...,
    max_recoveries: int | None = ...,
    backoff: retry.Backoff = ...,
    retry_for: Iterable[type[BaseException]] = ...,
    no_retry_for: Iterable[type[BaseException]] = ...,
    enqueue_on_commit: bool | None = ...,
    timeout: retry.Seconds | None = ...,
    kill_grace: float = ...,
    stop_on_lease_loss: bool = ...,
    sensitive: Iterable[str] = ...,
) -> "Callable[[Callable[Concatenate[JobContext, P], R]], Task[P, R]]": ...
@overload
def task(
    *,
    takes_context: Literal[False] = False,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    max_attempts: int = ...,
    max_recoveries: int | None = ...,
    backoff: retry.Backoff = ...,
    retry_for: Iterable[type[BaseException]] = ...,
    no_retry_for: Iterable[type[BaseException]] = ...,
    enqueue_on_commit: bool | None = ...,
    timeout: retry.Seconds | None = ...,
    kill_grace: float = ...,
    stop_on_lease_loss: bool = ...,
    sensitive: Iterable[str] = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(function: Any = None, /, *, enqueue_on_commit: bool | None = None, **given: Any) -> Any:
    """Make a task of a module-level function.

    `enqueue_on_commit` is by default what `OPTIONS["ENQUEUE_ON_COMMIT"]` says (True).
    Raises: InvalidTask.
    """
    if "run_after" in given:
        raise TypeError("run_after belongs to a call: use .using(run_after=...).enqueue(...).")
    unknown = set(given) - {field.name for field in fields(Task)}
    if unknown:
        raise TypeError(f"@task has no option {', '.join(map(repr, sorted(unknown)))}.")
    if enqueue_on_commit is None:
        alias = given.get("backend", compat.DEFAULT_TASK_BACKEND_ALIAS)
        given_options = options.raw(alias)
        # A fault of the options is the checks' to tell, not an import's to die of.
        enqueue_on_commit = not isinstance(given_options, Mapping) or bool(
            given_options.get("ENQUEUE_ON_COMMIT", True)
        )

    def make(func: Callable[..., Any]) -> Any:
        return Task(func=func, enqueue_on_commit=enqueue_on_commit, **given)

    return make if function is None else make(function)


def as_task(given: "compat.Task[..., Any]") -> Task[..., Any]:
    """Return a task of the framework's own class as ours, with our defaults."""
    if isinstance(given, Task):
        return given
    return Task(**{field.name: getattr(given, field.name) for field in fields(given)})


def as_called(given: "compat.Task[..., Any]", **changes: Any) -> Any:
    """Return the task with the queue and priority of one call.

    Nothing is validated: what is stored stays what it is when the rules change.
    """
    for name, value in changes.items():
        if getattr(given, name) != value:
            break
    else:
        return given
    copy = object.__new__(type(given))
    for field in fields(given):
        value = changes.get(field.name, getattr(given, field.name))
        object.__setattr__(copy, field.name, value)
    return copy


def find(path: str) -> "compat.Task[..., Any]":
    """Return the task of a path that was signed by this project, importing its module once.

    Raises: TaskUnknown if there is none, or the path leads to something else.
    """
    if path in _registry:
        return _registry[path]
    try:
        found = import_string(path)
    except (Exception, SystemExit) as error:  # its module may raise anything at import
        raise TaskUnknown(f"There is no task {path!r}: {error}") from error
    if path in _registry:  # the import made it, under another name than its function's
        return _registry[path]
    if not isinstance(found, compat.Task):
        raise TaskUnknown(f"{path!r} is no task but {type(found).__name__}.")
    _registry[path] = found
    return found


def _validate(task: Task[..., Any]) -> None:
    name = getattr(task.func, "__qualname__", repr(task.func))
    if not _whole(task.max_attempts) or task.max_attempts < 1:
        raise compat.InvalidTask(
            f"{name}: max_attempts={task.max_attempts!r} must be a whole number from 1."
        )
    if task.max_recoveries is not None and (
        not _whole(task.max_recoveries) or task.max_recoveries < 0
    ):
        raise compat.InvalidTask(
            f"{name}: max_recoveries={task.max_recoveries!r} must be a whole number from 0."
        )
    for option, value in (("timeout", task.timeout), ("kill_grace", task.kill_grace)):
        if (option, value) != ("timeout", None) and not _positive(value):
            raise compat.InvalidTask(
                f"{name}: {option}={value!r} must be seconds above 0"
                f"{' or a timedelta' if option == 'timeout' else ''}, at most a year."
            )
    try:
        retry.validate(task.backoff)
    except (TypeError, ValueError) as error:
        raise compat.InvalidTask(f"{name}: {error}") from error


def _positive(value: object) -> bool:
    number = isinstance(value, int | float | timedelta) and not isinstance(value, bool)
    return number and 0 < retry.seconds(value) <= YEAR  # type: ignore[arg-type]


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _argument_names(given: Any) -> tuple[str, ...]:
    names = () if isinstance(given, str) else tuple(given)
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise compat.InvalidTask(f'sensitive={given!r} must be names, such as ("token",).')
    return names


def _exceptions(name: str, given: Any) -> Exceptions:
    classes = (given,) if isinstance(given, type) else tuple(given)
    if all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in classes):
        return classes
    raise compat.InvalidTask(f"{name}={given!r} must be exception classes.")
