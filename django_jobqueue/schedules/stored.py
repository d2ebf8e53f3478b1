"""Merge the schedules of the code and of the database into those that are fired.

Next: worker/scheduling/scheduler.py fires them.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, router, transaction

from django_jobqueue import compat
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.conf import load
from django_jobqueue.jobs import payload
from django_jobqueue.models import Schedule
from django_jobqueue.paths import registered
from django_jobqueue.schedules.cron import to_ms
from django_jobqueue.schedules.spec import (
    ScheduleSpec,
    check_call,
    check_name,
    check_overlap,
    check_task,
    declared,
    make_times,
    parse_instant,
)
from django_jobqueue.schedules.timetable import Timetable
from django_jobqueue.task import Task

UNFIT = (TypeError, compat.InvalidTask, compat.InvalidTaskBackend, ImproperlyConfigured)


@dataclass(frozen=True, slots=True)
class Listing:
    """The schedules of one alias."""

    specs: tuple[ScheduleSpec, ...]
    faults: tuple[tuple[str, str], ...]  # name, and why it can't be fired
    left_out: tuple[tuple[str, str], ...] = ()  # name, and why it is not to be fired


def current(alias: str) -> Listing:
    """Return the enabled schedules of an alias; an invalid one becomes a fault of the listing."""
    rows = {row.name: row for row in Schedule.objects.all()}
    specs, faults, left_out = [], [], []
    for name in sorted(declared().keys() | rows.keys()):
        try:
            spec = _live(name, rows.get(name))
        except ValueError as error:
            if rows[name].alias == alias:
                faults.append((name, str(error)))
        else:
            if spec is not None and spec.alias == alias:
                specs.append(spec)
            elif spec is not None:
                left_out.append((name, f"it belongs to the alias {spec.alias!r}"))
            elif rows[name].alias == alias:
                left_out.append((name, _why_not(rows[name])))
    return Listing(tuple(specs), tuple(faults), tuple(left_out))


def _why_not(row: Schedule) -> str:
    """Return why a row is no live schedule."""
    if not row.enabled:
        return "it is disabled in the admin"
    return "the code does not declare it any more"


def enter_declared(alias: str) -> None:
    """Create a row for each declared schedule of an alias, so that users can disable it."""
    rows = {row.name: row for row in Schedule.objects.all()}
    missing, moved = [], []
    for name, spec in declared().items():
        if spec.alias != alias:
            continue
        row, path = rows.get(name), spec.task.module_path
        if row is None:
            missing.append(Schedule(name=name, from_code=True, alias=alias, task=path))
        elif row.from_code and (row.alias, row.task) != (alias, path):
            row.alias, row.task = alias, path
            moved.append(row)
    # Another process may create the same rows at the same time.
    Schedule.objects.bulk_create(missing, ignore_conflicts=True)
    Schedule.objects.bulk_update(moved, ["alias", "task"])


def enter_after_migrate(using: str, **given: Any) -> None:
    """Create rows for the declared schedules, if `migrate` has made their table.

    The scheduler creates them too when it starts, so a failure here is ignored: the table is
    missing, its columns are old, or TASKS is invalid.
    """
    if using != router.db_for_write(Schedule):
        return
    unsound = (compat.InvalidTaskBackend, ImproperlyConfigured)
    with suppress(DatabaseError, *unsound), transaction.atomic(using=using):
        for alias in {spec.alias for spec in declared().values()}:
            if isinstance(compat.task_backends[alias], JobQueueBackend):
                enter_declared(alias)


def spec_of(row: Schedule) -> ScheduleSpec | None:
    """Return the schedule of a row, enabled or not; None if the code no longer declares it.

    Raises: ValueError if the row is invalid.
    """
    if row.from_code or (row.overrides and row.name not in declared()):
        return declared().get(row.name)
    return from_row(row)


def from_row(row: Schedule) -> ScheduleSpec:
    """Return the schedule that a row defines.

    Raises: ValueError, quoting what is wrong.
    """
    try:
        check_name(row.name)
        task = called(row)
        args, kwargs = check_stored_call(task, row.args, row.kwargs)
        check_overlap(row.overlap)
        return ScheduleSpec(
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
    """Return the arguments as `check_call` does, if they also fit into a job.

    Raises: TypeError, ValueError, ImproperlyConfigured.
    """
    call = check_call(task, args, kwargs)
    payload.dump_call(*call, {}, load(task.backend).max_payload)
    return call


def called(row: Schedule) -> Task[..., Any]:
    """Return the row's task with its alias, queue and priority.

    Raises: ValueError, InvalidTask, InvalidTaskBackend.
    """
    task = registered_task(row.task)
    return task.using(backend=row.alias, queue_name=row.queue or None, priority=row.priority)


def registered_task(path: str) -> Task[..., Any]:
    """Return the task of a path as the code defines it.

    Raises: ValueError.
    """
    known = registered()
    if path not in known:  # a row must not cause an import
        raise ValueError(
            f"There is no task {path!r}: tasks stand in the module `tasks` of an installed "
            "app, or in one that is imported there."
        )
    return check_task(known[path])


def timetable_of(row: Schedule) -> Timetable:
    """Return the row's timetable.

    Raises: TypeError, ValueError.
    """
    start, end = parse_instant("start", row.start), parse_instant("end", row.end)
    every = None if row.every_seconds is None else float(row.every_seconds)
    return Timetable(
        make_times(row.cron or None, every, row.timezone, start),
        start=start,
        end=end,
        catch_up=row.catch_up,
        catch_up_max=row.catch_up_max,
    )


def _live(name: str, row: Schedule | None) -> ScheduleSpec | None:
    """Return a schedule if it is enabled and, unless only the database has it, declared."""
    if row is None:
        return declared()[name]
    spec = spec_of(row) if row.enabled else None
    since = parse_instant("enabled_since", row.enabled_since)
    return spec if spec is None or since is None else replace(spec, enabled_since=to_ms(since))
