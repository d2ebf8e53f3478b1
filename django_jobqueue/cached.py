"""The latest result of a task, kept beyond its job: calculated before somebody asks for it.

Next: engine/cached.py reads it; lua/finish.lua keeps what a run returned.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from django_jobqueue.engine.cached import Kept
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.result import moment
from django_jobqueue.retry import seconds
from django_jobqueue.task_options import signature_of

if TYPE_CHECKING:
    from django_jobqueue.task import Task

R = TypeVar("R")


class Latest(NamedTuple, Generic[R]):
    """What the latest successful run of a task with some arguments returned."""

    value: R
    at: datetime  # when that run ended, by the server's clock; aware if USE_TZ
    age: timedelta  # since then
    is_stale: bool  # so old that `refresh_after` asks for a newer one


def digest(task: "Task[..., Any]", args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the name under which the latest value of a call is kept.

    Raises: TypeError if the arguments are not JSON, or the function does not take them.
    """
    call = payload.pure_call(args, kwargs)
    taken = signature_of(task.func, task.takes_context)
    try:
        bound = taken.bind(*call[0], **call[1])
    except TypeError as error:
        name = f"{task.module_path}{taken}"
        raise TypeError(f"{name} does not take these arguments: {error}.") from None
    bound.apply_defaults()
    return payload.digest(task.module_path, _json(bound.arguments))


def keep_seconds(task: "Task[..., Any]") -> int:
    """Return how long a value is kept without a newer one; 0: for ever."""
    keep = task.keep_latest
    return math.ceil(keep.total_seconds()) if isinstance(keep, timedelta) else 0


def kept_as(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return under which name, and how long, what a run returned is kept; "" if it is not.

    Raises: TypeError, see `digest`.
    """
    if not getattr(task, "keep_latest", False):
        return ""
    return f"{digest(task, args, kwargs)} {keep_seconds(task)}"


def judge(task: "Task[..., Any]", kept: Kept) -> Latest[Any] | None:
    """Return what is kept as the caller sees it."""
    at, keep = moment(kept.at), keep_seconds(task)
    age = timedelta(milliseconds=max(0, kept.now - kept.at))
    if at is None or (keep and age > timedelta(seconds=keep)):
        return None
    try:
        value = payload.load_value(kept.value)
    except ValueError:  # not written by us
        return None
    after = task.refresh_after
    return Latest(value, at, age, after is not None and age.total_seconds() >= seconds(after))


def needs_refresh(task: "Task[..., Any]", found: Latest[Any] | None) -> bool:
    """Tell whether who found this is to ask for a newer one."""
    return task.refresh_after is not None and (found is None or found.is_stale)


def _json(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments without defaults that are no JSON: nobody else can give them."""
    found = {}
    for name, value in arguments.items():
        with suppress(TypeError):
            found[name] = payload.pure(value, name)
    return found
