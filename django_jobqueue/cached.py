"""The cached value of a task: its latest result, kept after the job has been trimmed.

Next: engine/cached.py reads it; engine/lua/jobs/finish.lua stores what a run returned.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from django_jobqueue.engine import Engine
from django_jobqueue.engine.cached import CachedResult
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.moments import moment
from django_jobqueue.jobs.prepared import Prepared
from django_jobqueue.jobs.signature import arguments_of, check_call
from django_jobqueue.retry import seconds

if TYPE_CHECKING:
    from django_jobqueue.task import Task

R = TypeVar("R")

logger = logging.getLogger("django_jobqueue")


class Latest(NamedTuple, Generic[R]):
    """The value of the latest successful run of a task with given arguments."""

    value: R
    at: datetime  # when that run ended, by the server's clock; aware if USE_TZ
    age: timedelta  # time since `at`
    is_stale: bool  # whether it is at least `refresh_after` old


class Refresh(NamedTuple):
    """A stored job that refreshes a value."""

    prepared: Prepared
    stored_at: int  # ms since the epoch


def look_up(
    engine: Engine,
    task: "Task[..., Any]",
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    prepare: Callable[[], Prepared],
) -> tuple[Latest[Any] | None, Refresh | None]:
    """Return the latest value of a call, and the job that was stored because it needs a refresh.

    Raises: TypeError, see `digest`; QueueUnavailable.
    """
    name = digest(task, args, kwargs)
    kept = engine.cached_results.latest(name)
    found = as_latest(task, kept)
    if kept.is_refreshing or not needs_refresh(task, found):
        return found, None
    return found, _refresh(engine, name, kept.refresh, prepare())


def digest(task: "Task[..., Any]", args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the digest under which the latest value of a call is stored.

    Raises: TypeError if the arguments are not JSON, or the function does not accept them.
    """
    call = payload.pure_call(args, kwargs)
    check_call(task, *call)
    return payload.digest(task.module_path, arguments_of(task, *call))


def keep_seconds(task: "Task[..., Any]") -> int:
    """Return for how many seconds a value is kept without a newer one; 0 means for ever."""
    keep = task.keep_latest
    return math.ceil(keep.total_seconds()) if isinstance(keep, timedelta) else 0


def cache_key(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the digest of a run's value and the seconds to keep it; "" if it is not kept.

    Raises: TypeError, see `digest`.
    """
    if not getattr(task, "keep_latest", False):
        return ""
    return f"{digest(task, args, kwargs)} {keep_seconds(task)}"


def as_latest(task: "Task[..., Any]", kept: CachedResult) -> Latest[Any] | None:
    """Return a cached value as a `Latest`; None if it is missing, expired or unreadable."""
    at, keep = moment(kept.at), keep_seconds(task)
    age = timedelta(milliseconds=max(0, kept.now - kept.at))
    if at is None or (keep and age > timedelta(seconds=keep)):
        return None
    try:
        value = payload.load_value(kept.value)
    except (ValueError, RecursionError):  # not written by this package
        return None
    after = task.refresh_after
    return Latest(value, at, age, after is not None and age.total_seconds() >= seconds(after))


def needs_refresh(task: "Task[..., Any]", found: Latest[Any] | None) -> bool:
    """Return whether a caller that found this value has to enqueue a refresh."""
    return task.refresh_after is not None and (found is None or found.is_stale)


def _refresh(engine: Engine, name: str, seen: str, prepared: Prepared) -> Refresh | None:
    """Store the job that refreshes a value immediately, unless another caller has stored one.

    The caller can use a stale value, so QueueUnavailable is only logged.
    """
    engine.check_test_run()
    job, keep = prepared.job, keep_seconds(prepared.task)
    try:
        at = engine.cached_results.refresh(name, job, seen=seen, keep=keep)
    except QueueUnavailable as error:
        logger.warning("The latest value of %s is not refreshed: %s", job.task, error)
        return None
    return None if at is None else Refresh(prepared, at)
