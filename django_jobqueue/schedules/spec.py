"""One schedule: the call it makes and when. `schedule()` declares it in the code.

Knows no database, so that every `tasks.py` may declare. Next: schedules/stored.py joins what is
declared with what stands in the ledger.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.utils.timezone import is_naive, make_aware

from django_jobqueue import compat
from django_jobqueue.jobs import payload
from django_jobqueue.retry import Seconds, seconds
from django_jobqueue.schedules.cron import Cron, Every, Times
from django_jobqueue.schedules.timetable import CATCH_UP_MAX, Timetable
from django_jobqueue.task import Task, as_task
from django_jobqueue.task_options import signature_of

NAME_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,100}")
OVERLAPS = ("allow", "skip")

_declared: dict[str, "Entry"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One schedule as it is to be fired."""

    name: str
    task: Task[..., Any]  # with the queue, the priority and the alias of its jobs
    args: list[Any]
    kwargs: dict[str, Any]
    timetable: Timetable
    overlap: str = "allow"  # or "skip": not while the job of the last fire is not final
    alias: str = compat.DEFAULT_TASK_BACKEND_ALIAS
    origin: str = "code"  # or "database", or "override": a row that wins over the code
    place: str = field(default="", compare=False)  # file and line that declares it

    @property
    def content(self) -> tuple[Any, ...]:
        """Return what tells it from another one; a task counts by its path."""
        task = self.task
        where = (task.module_path, task.queue_name, task.priority, self.alias)
        return (where, self.args, self.kwargs, self.timetable, self.overlap)


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
    catch_up: str = "skip",
    catch_up_max: int = CATCH_UP_MAX,
    overlap: str = "allow",
) -> Entry:
    """Declare that the schedulers enqueue a task again and again: by `cron`, or `every` so often.

    `timezone` is by default `settings.TIME_ZONE`; `task.using(…)` chooses queue and priority.
    Raises: ValueError or TypeError, quoting what is wrong and saying what is allowed.
    """
    place = _caller()
    try:
        check_name(name)
        called = check_task(task)
        positional, named = check_call(called, args, kwargs or {})
        check_overlap(overlap)
        begin, stop = instant("start", start), instant("end", end)
        entry = Entry(
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
            place=place,
        )
    except TypeError as error:
        raise TypeError(f"schedule {name!r}: {error}") from error
    except ValueError as error:
        raise ValueError(f"schedule {name!r}: {error}") from error
    known = _declared.setdefault(name, entry)
    if known.content != entry.content:
        raise ValueError(
            f"Two schedules are called {name!r}: one at {known.place}, another at {place}. "
            "Give each a name of its own."
        )
    return entry


def declared() -> Mapping[str, Entry]:
    """Return what the code that was imported so far declares, by name."""
    return MappingProxyType(_declared)


def check_name(name: object) -> None:
    """Raise ValueError unless it can be the name of a schedule."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"{name!r} can't be a name: use 1 to 100 letters, digits, '_', '-' or '.'."
        )


def check_task(given: Any) -> Task[..., Any]:
    """Return the task as ours.

    Raises: TypeError, ValueError.
    """
    if not isinstance(given, compat.Task):
        raise TypeError(f"{given!r} is no task: decorate the function with @task.")
    if given.run_after is not None:
        raise ValueError("run_after belongs to a call: a schedule has `start` for its first time.")
    return as_task(given)


def check_call(task: Task[..., Any], args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as JSON will give them back, if the task's function takes them.

    Raises: TypeError or ValueError, naming the argument.
    """
    if isinstance(args, str | bytes) or not isinstance(args, Sequence):
        raise TypeError(f"args is {args!r}: give a list of positional arguments, such as [5].")
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) for name in kwargs):
        raise TypeError(f"kwargs is {kwargs!r}: give a mapping of names to values.")
    call = payload.pure_call(args, kwargs)
    taken = signature_of(task.func, task.takes_context)
    try:
        taken.bind(*call[0], **call[1])
    except TypeError as error:
        raise ValueError(
            f"{task.module_path}{taken} can't be called with these arguments: {error}."
        ) from None
    return call


def check_overlap(overlap: object) -> None:
    """Raise ValueError unless it is one of the rules."""
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
        return Cron(cron, zone or settings.TIME_ZONE)
    if zone:
        raise ValueError(
            f"timezone={zone!r}: an interval is the same in all zones, so give it none; for times "
            "of the day use cron."
        )
    if isinstance(every, bool) or not isinstance(every, int | float | timedelta):
        raise TypeError(f"every={every!r}: give seconds or a timedelta.")
    return Every(seconds(every)) if start is None else Every(seconds(every), start)


def instant(name: str, value: object) -> datetime | None:
    """Return a time with its zone; without one it is of `settings.TIME_ZONE`, unless `USE_TZ`.

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
    """Return the file and line that called our caller."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
