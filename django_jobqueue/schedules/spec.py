"""The definition of a schedule, and `schedule()`, which declares one in the code.

The module uses no database, so every `tasks.py` can declare schedules at import.
Next: schedules/stored.py merges the declared schedules with the rows of the database.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from django.conf import settings
from django.utils.timezone import is_naive, make_aware

from django_jobqueue import compat
from django_jobqueue.jobs import payload, signature
from django_jobqueue.retry import Seconds, seconds
from django_jobqueue.schedules.cron import Cron, Every, Times, default_zone
from django_jobqueue.schedules.timetable import CATCH_UP_MAX, Timetable
from django_jobqueue.task import Task, as_task

NAME_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,100}")
OVERLAPS = ("allow", "skip")

_declared: dict[str, "ScheduleSpec"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """One schedule in the form in which it is fired."""

    name: str
    task: Task[..., Any]  # with the queue, the priority and the alias of its jobs
    args: list[Any]
    kwargs: dict[str, Any]
    timetable: Timetable
    overlap: str = "allow"  # or "skip": don't fire while the last fire's job is not final
    alias: str = compat.DEFAULT_TASK_BACKEND_ALIAS
    origin: str = "code"  # or "database", or "override": a row that replaces the code's
    declared_at: str = field(default="", compare=False)  # file and line
    enabled_since: int = 0  # ms by some host's clock, so only good for telling two apart; or 0

    @property
    def rule(self) -> str:
        """Return the rule of its times, which begins anew each time the schedule is enabled."""
        times = self.timetable.times.rule
        return f"{times} enabled {self.enabled_since}" if self.enabled_since else times

    @property
    def content(self) -> tuple[Any, ...]:
        """Return all that distinguishes it from other schedules; the task counts by its path."""
        task = self.task
        where = (task.module_path, task.queue_name, task.priority, self.alias)
        envelope = (task.expires, task.tags)
        return (where, envelope, self.args, self.kwargs, self.timetable, self.overlap)


def schedule(
    name: str,
    task: "Task[..., Any] | compat.Task[..., Any]",
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    cron: str | None = None,
    every: Seconds | None = None,
    timezone: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    catch_up: Literal["skip", "last", "all"] = "skip",
    catch_up_max: int = CATCH_UP_MAX,
    overlap: Literal["allow", "skip"] = "allow",
) -> ScheduleSpec:
    """Declare a schedule that enqueues a task at the times of `cron`, or at the interval `every`.

    `timezone` defaults to `settings.TIME_ZONE` (see cron.py). `task.using(…)` chooses queue and
    priority.
    Raises: ValueError or TypeError, quoting the wrong value and naming what is allowed.
    """
    declared_at = _caller()
    try:
        check_name(name)
        called = check_task(task)
        positional, named = check_call(called, args, kwargs or {})
        check_overlap(overlap)
        begin, stop = parse_instant("start", start), parse_instant("end", end)
        spec = ScheduleSpec(
            name=name,
            task=called,
            args=positional,
            kwargs=named,
            timetable=Timetable(
                make_times(cron, every, timezone, begin),
                start=begin,
                end=stop,
                catch_up=catch_up,
                catch_up_max=catch_up_max,
            ),
            overlap=overlap,
            alias=called.backend,
            declared_at=declared_at,
        )
    except TypeError as error:
        raise TypeError(f"schedule {name!r}: {error}") from error
    except ValueError as error:
        raise ValueError(f"schedule {name!r}: {error}") from error
    known = _declared.setdefault(name, spec)
    if known.content != spec.content:
        raise ValueError(
            f"Two schedules are called {name!r}: one at {known.declared_at}, another at "
            f"{declared_at}. Give each a name of its own."
        )
    return spec


def declared() -> Mapping[str, ScheduleSpec]:
    """Return the schedules that the imported code declares, by name."""
    return MappingProxyType(_declared)


def check_name(name: object) -> None:
    """Raise ValueError unless this is a valid name of a schedule."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"{name!r} can't be a name: use 1 to 100 letters, digits, '_', '-' or '.'."
        )


def check_task(given: Any) -> Task[..., Any]:
    """Return the task as a Task of this package.

    Raises: TypeError, ValueError.
    """
    if not isinstance(given, compat.Task):
        raise TypeError(f"{given!r} is no task: decorate the function with @task.")
    if given.run_after is not None:
        raise ValueError("run_after belongs to a call: a schedule has `start` for its first time.")
    task = as_task(given)
    if isinstance(task.expires, datetime):
        raise ValueError(
            f"expires={task.expires!r} is one time for all its jobs: give a timedelta, such as "
            "the interval."
        )
    return task


def check_call(task: Task[..., Any], args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as after a JSON round trip, if the task's function accepts them.

    Raises: TypeError, naming the argument.
    """
    if isinstance(args, str | bytes) or not isinstance(args, Sequence):
        raise TypeError(f"args is {args!r}: give a list of positional arguments, such as [5].")
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) for name in kwargs):
        raise TypeError(f"kwargs is {kwargs!r}: give a mapping of names to values.")
    call = payload.pure_call(args, kwargs)
    signature.check_call(task, *call)
    return call


def check_overlap(overlap: object) -> None:
    """Raise ValueError unless this is one of OVERLAPS."""
    if overlap not in OVERLAPS:
        raise ValueError(f"overlap={overlap!r}: use one of {', '.join(map(repr, OVERLAPS))}.")


def make_times(cron: str | None, every: Any, zone: str | None, start: datetime | None) -> Times:
    """Return the times of a schedule.

    Raises: TypeError, ValueError.
    """
    if (cron is None) is (every is None):
        raise ValueError(
            f"cron={cron!r} and every={every!r}: give one of them, such as cron='0 3 * * *' or "
            "every=timedelta(minutes=10)."
        )
    if cron is not None:
        return Cron(cron, zone or default_zone())
    if zone:
        raise ValueError(
            f"timezone={zone!r}: an interval is the same in all zones, so give it none; for times "
            "of the day use cron."
        )
    if isinstance(every, bool) or not isinstance(every, int | float | timedelta):
        raise TypeError(f"every={every!r}: give seconds or a timedelta.")
    return Every(seconds(every)) if start is None else Every(seconds(every), start)


def parse_instant(name: str, value: object) -> datetime | None:
    """Return a time as aware; a naive one is in `settings.TIME_ZONE`, or refused if `USE_TZ`.

    Raises: TypeError, ValueError.
    """
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"{name}={value!r}: give a datetime.")
    if not is_naive(value):
        return value
    if settings.USE_TZ:
        raise ValueError(f"{name}={value!r} has no time zone: give an aware datetime.")
    return make_aware(value)


def _caller() -> str:
    """Return the file and line of the code that called `schedule`."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
