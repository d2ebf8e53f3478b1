"""Validate the options of a task at its definition."""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import FrozenInstanceError, fields
from datetime import datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    overload,
)

from django.forms import BaseForm

from django_jobqueue import compat, foreign_words, retry
from django_jobqueue.exceptions import YEAR
from django_jobqueue.flow import unique
from django_jobqueue.flow.limits import Limits
from django_jobqueue.flow.rates import Rate
from django_jobqueue.flow.unique import Unique
from django_jobqueue.jobs import envelope

if TYPE_CHECKING:
    from django_jobqueue.jobs.context import JobContext
    from django_jobqueue.task import Task

C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")
Exceptions = tuple[type[BaseException], ...]


class TaskOptions(TypedDict, total=False):
    """The options of `@task`, for type checkers; see the fields of Task."""

    name: str
    priority: int
    queue_name: str
    backend: str
    max_attempts: int | None
    max_recoveries: int | None
    backoff: retry.Backoff
    retry_for: Iterable[type[BaseException]]
    no_retry_for: Iterable[type[BaseException]]
    on_commit: bool | None
    durable: bool | None
    atomic: bool
    timeout: retry.Seconds | None
    kill_grace: retry.Seconds
    stop_on_lease_loss: bool
    sensitive: Iterable[str]
    keep_latest: bool | timedelta
    retention: timedelta | None
    refresh_after: retry.Seconds | None
    metadata: Mapping[str, Any] | None
    tags: Iterable[str]
    expires: datetime | timedelta | None
    unique: Unique | None
    runnable: bool | str
    form: type[BaseForm] | str | None
    concurrency: Limits
    rate: Rate | None
    fair_by: str


if TYPE_CHECKING:

    class AsyncTask(Task[P, R]):
        """A task of a coroutine function: a job's result is what the coroutine returns."""

        def __call__(  # type: ignore[override]
            self, *args: P.args, **kwargs: P.kwargs
        ) -> Coroutine[Any, Any, R]: ...

    class ContextTask(Task[P, R]):
        """A task whose function takes the context, which only a direct call gives."""

        def __call__(  # type: ignore[override]
            self, context: JobContext, *args: P.args, **kwargs: P.kwargs
        ) -> R: ...

    class AsyncContextTask(Task[P, R]):
        """The same of a coroutine function."""

        def __call__(  # type: ignore[override]
            self, context: JobContext, *args: P.args, **kwargs: P.kwargs
        ) -> Coroutine[Any, Any, R]: ...

    class Decorator(Protocol):
        """What `@task(...)` returns."""

        @overload
        def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...

    class ContextDecorator(Protocol):
        """What `@task(takes_context=True)` returns."""

        @overload
        def __call__(
            self, function: Callable[Concatenate[JobContext, P], Coroutine[Any, Any, R]], /
        ) -> AsyncContextTask[P, R]: ...
        @overload
        def __call__(
            self, function: Callable[Concatenate[JobContext, P], R], /
        ) -> ContextTask[P, R]: ...


# The types of Django's own options, of which Django checks only the values.
_KINDS: tuple[tuple[str, Any, str], ...] = (
    ("priority", int | float, "a whole number between -100 and 100"),
    ("queue_name", str, "a string"),
    ("run_after", datetime | timedelta | None, "a datetime or a timedelta"),
)


class Patchable:
    """Let a test put a mock in the place of a method: mock.patch.object(task, "enqueue")."""

    __slots__ = ("__dict__",)

    @classmethod
    def thaw(cls: type[C]) -> type[C]:
        """Let attributes of a frozen dataclass be set, except its fields."""
        names = {each.name for each in fields(cls)}  # type: ignore[arg-type]

        def change(do: Callable[..., None]) -> Any:
            def changed(task: Any, name: str, *value: Any) -> None:
                if name in names:
                    raise FrozenInstanceError(f"A task's {name} is fixed: make a copy by using().")
                do(task, name, *value)

            return changed

        cls.__setattr__ = change(object.__setattr__)  # type: ignore[method-assign]
        cls.__delattr__ = change(object.__delattr__)  # type: ignore[method-assign]
        return cls


_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+", re.ASCII)


def check_names(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError, with a hint, for options that `where` does not have."""
    if unknown := set(given) - set(known):
        raise TypeError(foreign_words.about_options(where, unknown, known))


def check_function(func: Any) -> None:
    """Raise TypeError or InvalidTask unless this is a function that a worker can find again."""
    if isinstance(func, str):
        raise TypeError(f"@task({func!r}): name the option, such as @task(queue_name={func!r}).")
    if isinstance(func, compat.Task):
        raise TypeError(f"{func.module_path} is a task already; `using` gives it other defaults.")
    if not inspect.isfunction(func) or func.__name__ == "<lambda>":
        raise compat.InvalidTask(
            f"{func!r} can't be a task. Task function must be defined at a module level: write "
            "one with `def`, under whose name workers find it, and let it call the other."
        )


def validate(task: Any) -> None:
    """Raise InvalidTask for an option out of its bounds."""
    name = getattr(task.func, "__qualname__", repr(task.func))
    _validate_name(name, task.name, getattr(task.func, "__name__", ""))
    for option, kinds, wanted in _KINDS:
        value = getattr(task, option)
        if isinstance(value, bool) or not isinstance(value, kinds) or value != value:  # NaN
            raise compat.InvalidTask(f"{name}: {option}={value!r} must be {wanted}.")
    if task.max_attempts is not None and (not _whole(task.max_attempts) or task.max_attempts < 1):
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
                f"{name}: {option}={value!r} must be seconds above 0 or a timedelta, at most a "
                "year."
            )
    _validate_ledger(name, task.durable, task.atomic)
    if not isinstance(task.metadata, Mapping | None):
        raise compat.InvalidTask(f"{name}: metadata={task.metadata!r} must be a mapping.")
    envelope.check_expires(name, task.expires)
    if not isinstance(task.runnable, bool) and not re.fullmatch(r"\w+\.\w+", str(task.runnable)):
        raise compat.InvalidTask(
            f"{name}: runnable={task.runnable!r} must be True, False or a permission, such as "
            '"app.codename".'
        )
    _validate_form(name, task.form, task.runnable)
    _validate_latest(name, task.keep_latest, task.refresh_after)
    unique.check(name, task)
    envelope.check_retention(name, task.retention, task.unique)
    try:
        retry.validate(task.backoff)
    except (TypeError, ValueError) as error:
        raise compat.InvalidTask(f"{name}: {error}") from error


def _validate_name(function: str, name: object, own: str) -> None:
    fits = isinstance(name, str) and len(name) <= 200 and _NAME.fullmatch(name)
    if name != own and not fits:
        raise compat.InvalidTask(
            f"{function}: name={name!r} must be words with dots between them, such as "
            '"billing.send_invoice", of letters, digits and "_", at most 200 characters.'
        )


def _validate_form(name: str, form: Any, runnable: bool | str) -> None:
    """Raise InvalidTask for what can be no form; a path is imported when the form is shown."""
    is_path = isinstance(form, str) and re.fullmatch(r"\w+(\.\w+)+", form)
    is_class = isinstance(form, type) and issubclass(form, BaseForm)
    if form is not None and not (is_path or is_class):
        raise compat.InvalidTask(
            f"{name}: form={form!r} must be a form class, or its path, such as "
            '"shop.forms.OrderForm".'
        )
    if form is not None and not runnable:
        raise compat.InvalidTask(
            f"{name}: form=… is for the admin, which may not run the task: add runnable=True."
        )


def merged(own: Mapping[str, Any] | None, more: Mapping[str, Any] | None) -> Any:
    """Return a task's metadata with more of them; what is no mapping is left to `validate`."""
    return {**(own or {}), **more} if isinstance(more, Mapping) else more


def tags(task: Any, more: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a task's tags with more of them.

    Raises: InvalidTask.
    """
    name = getattr(task.func, "__qualname__", repr(task.func))
    own = envelope.check_tags(name, task.tags)
    return envelope.check_tags(name, [*own, *envelope.check_tags(name, more)])


def _validate_ledger(name: str, durable: object, atomic: object) -> None:
    if not isinstance(durable, bool | None):
        raise compat.InvalidTask(f"{name}: durable={durable!r} must be True, False or None.")
    if not isinstance(atomic, bool):
        raise compat.InvalidTask(f"{name}: atomic={atomic!r} must be True or False.")
    if atomic and durable is False:
        raise compat.InvalidTask(f"{name}: atomic=True needs durable=True: see the docs, durable.")


def _validate_latest(name: str, keep: object, refresh_after: object) -> None:
    if not isinstance(keep, bool) and not (isinstance(keep, timedelta) and _positive(keep)):
        raise compat.InvalidTask(
            f"{name}: keep_latest={keep!r} must be True, False or a timedelta above 0, at most a "
            "year."
        )
    if refresh_after is not None and not _positive(refresh_after):
        raise compat.InvalidTask(
            f"{name}: refresh_after={refresh_after!r} must be seconds above 0 or a timedelta, at "
            "most a year."
        )
    if refresh_after is not None and not keep:
        raise compat.InvalidTask(f"{name}: refresh_after needs keep_latest=True, or a timedelta.")


def _positive(value: object) -> bool:
    number = isinstance(value, int | float | timedelta) and not isinstance(value, bool)
    return number and 0 < retry.seconds(value) <= YEAR  # type: ignore[arg-type]


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def argument_names(given: Any) -> tuple[str, ...]:
    """Return the option `sensitive` as a tuple.

    Raises: InvalidTask.
    """
    names = tuple(given) if isinstance(given, Iterable) else (given,)
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise compat.InvalidTask(f'sensitive={given!r} must be names, such as ("token",).')
    return names


def exceptions(name: str, given: Any) -> Exceptions:
    """Return the option `name`, one exception class or several, as a tuple.

    Raises: InvalidTask.
    """
    single = isinstance(given, type) or not isinstance(given, Iterable)
    classes = (given,) if single else tuple(given)
    if all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in classes):
        return classes
    raise compat.InvalidTask(f"{name}={given!r} must be exception classes.")
