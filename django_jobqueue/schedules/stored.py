"""What is to be fired: the schedules of the code and of the database, as they stand now.

Next: worker/scheduler.py fires them.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_jobqueue import compat
from django_jobqueue.conf import load
from django_jobqueue.jobs import payload
from django_jobqueue.ledger import Schedule
from django_jobqueue.schedules.spec import (
    Entry,
    check_call,
    check_name,
    check_overlap,
    check_task,
    declared,
    instant,
    make_times,
)
from django_jobqueue.schedules.timetable import Timetable
from django_jobqueue.task import Task, registered

UNFIT = (TypeError, compat.InvalidTask, compat.InvalidTaskBackend, ImproperlyConfigured)


@dataclass(frozen=True, slots=True)
class Listing:
    """The schedules of one alias."""

    entries: tuple[Entry, ...]
    faults: tuple[tuple[str, str], ...]  # name, and why it can't be fired


def current(alias: str) -> Listing:
    """Read which schedules of an alias are to be fired now; a broken one spoils no other."""
    rows = {row.name: row for row in Schedule.objects.all()}
    entries, faults = [], []
    for name in sorted(declared().keys() | rows.keys()):
        try:
            entry = _live(name, rows.get(name))
        except ValueError as error:
            if rows[name].alias == alias:
                faults.append((name, str(error)))
        else:
            if entry is not None and entry.alias == alias:
                entries.append(entry)
    return Listing(tuple(entries), tuple(faults))


def enter_declared(alias: str) -> None:
    """Give each declared schedule of an alias a row, by which it can be disabled."""
    rows = {row.name: row for row in Schedule.objects.all()}
    missing, moved = [], []
    for name, entry in declared().items():
        if entry.alias != alias:
            continue
        row, path = rows.get(name), entry.task.module_path
        if row is None:
            missing.append(Schedule(name=name, from_code=True, alias=alias, task=path))
        elif row.from_code and (row.alias, row.task) != (alias, path):
            row.alias, row.task = alias, path
            moved.append(row)
    # Another process may do the same at the same time.
    Schedule.objects.bulk_create(missing, ignore_conflicts=True)
    Schedule.objects.bulk_update(moved, ["alias", "task"])


def definition(row: Schedule) -> Entry | None:
    """Return what a row's schedule is, enabled or not; None if it is gone from the code.

    Raises: ValueError if it is broken.
    """
    if row.from_code or (row.overrides and row.name not in declared()):
        return declared().get(row.name)
    return from_row(row)


def from_row(row: Schedule) -> Entry:
    """Return the schedule that stands in a row.

    Raises: ValueError, quoting what is wrong.
    """
    try:
        check_name(row.name)
        task = called(row)
        args, kwargs = check_stored_call(task, row.args, row.kwargs)
        check_overlap(row.overlap)
        return Entry(
            name=row.name,
            task=task,
            args=args,
            kwargs=kwargs,
            timetable=timetable_of(row),
            overlap=row.overlap,
            alias=row.alias,
            origin="override" if row.name in declared() else "database",
        )
    except UNFIT as error:
        raise ValueError(str(error)) from error


def check_stored_call(
    task: Task[..., Any], args: Any, kwargs: Any
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as `check_call` does, if a job can hold them too.

    Raises: TypeError, ValueError, ImproperlyConfigured.
    """
    call = check_call(task, args, kwargs)
    payload.dump_call(call, load(task.backend).max_payload)
    return call


def called(row: Schedule) -> Task[..., Any]:
    """Return the row's task with its alias, queue and priority.

    Raises: ValueError, InvalidTask, InvalidTaskBackend.
    """
    known = registered()
    if row.task not in known:  # nothing is imported because a row names it
        raise ValueError(
            f"There is no task {row.task!r}: tasks stand in the module `tasks` of an installed "
            "app, or in one that is imported there."
        )
    task = check_task(known[row.task])
    return task.using(backend=row.alias, queue_name=row.queue or None, priority=row.priority)


def timetable_of(row: Schedule) -> Timetable:
    """Return the row's times.

    Raises: TypeError, ValueError.
    """
    start, end = instant("start", row.start), instant("end", row.end)
    every = None if row.every_seconds is None else float(row.every_seconds)
    return Timetable(
        make_times(row.cron or None, every, row.timezone, start),
        start=start,
        end=end,
        catch_up=row.catch_up,
        catch_up_max=row.catch_up_max,
    )


def _live(name: str, row: Schedule | None) -> Entry | None:
    """Return a schedule if it is to be fired: enabled, and not gone from the code."""
    if row is None:
        return declared()[name]
    entry = definition(row) if row.enabled else None
    since = instant("enabled_since", row.enabled_since)
    return entry if entry is None or since is None else _since(entry, since)


def _since(entry: Entry, since: datetime) -> Entry | None:
    """Return a schedule without its times before an instant; None if no others are left."""
    times = entry.timetable
    if times.end is not None and times.end <= since:
        return None
    start = since if times.start is None else max(since, times.start)
    return replace(entry, timetable=replace(times, start=start))
