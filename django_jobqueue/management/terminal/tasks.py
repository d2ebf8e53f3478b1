"""tasks, failures, schedules and run: what the code has, how it does, and to call it."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.diagnosis.task_figures import read_task_figures
from django_jobqueue.engine.failures import count_failures, read_failures, window_of
from django_jobqueue.engine.schedules import ScheduleStats
from django_jobqueue.jobs import phrases
from django_jobqueue.management.terminal import printing
from django_jobqueue.management.terminal.printing import Column, Terminal, instant
from django_jobqueue.paths import registered
from django_jobqueue.schedules.cron import to_ms
from django_jobqueue.schedules.spec import ScheduleSpec
from django_jobqueue.schedules.stored import current

TASKS = [
    Column("task", gettext_lazy("task"), printing.word),
    Column("queue", gettext_lazy("queue"), printing.word),
    Column("runs", gettext_lazy("runs"), printing.number),
    Column("wait_p50", gettext_lazy("wait p50"), printing.span),
    Column("wait_p95", gettext_lazy("p95"), printing.span),
    Column("run_p50", gettext_lazy("run p50"), printing.span),
    Column("run_p95", gettext_lazy("p95"), printing.span),
    Column("failed", gettext_lazy("failed"), printing.number),
]
FAILURES = [
    Column("count", gettext_lazy("count"), printing.number),
    Column("task", gettext_lazy("task"), printing.word),
    Column("exception", gettext_lazy("exception"), printing.word),
    Column("first", gettext_lazy("first"), printing.since),
    Column("last", gettext_lazy("last"), printing.since),
    Column("id", gettext_lazy("last job"), printing.word),
]
SCHEDULES = [
    Column("schedule", gettext_lazy("schedule"), printing.word),
    Column("task", gettext_lazy("task"), printing.word),
    Column("next", gettext_lazy("next"), printing.since),
    Column("last", gettext_lazy("last"), printing.since),
    Column("fired", gettext_lazy("fired"), printing.number),
    Column("missed", gettext_lazy("missed"), printing.number),
    Column("note", gettext_lazy("note"), lambda value: printing.word(value) if value else ""),
]


def tasks(terminal: Terminal, options: dict[str, Any]) -> None:
    """Show the tasks of the code and those of jobs that ended lately."""
    table = read_task_figures(terminal.engine)
    rows = [
        {
            "task": one.task,
            "queue": one.queue,
            "runs": one.runs,
            "wait_p50": one.wait.p50,
            "wait_p95": one.wait.p95,
            "run_p50": one.run.p50,
            "run_p95": one.run.p95,
            "failed": one.failed,
        }
        for one in table.rows
    ]
    terminal.show(TASKS, rows, _("There is no task: define one with @task."))
    text = _("Runs and times are of the %(count)s jobs that ended last.")
    terminal.note(text % {"count": phrases.count(table.seen)})


def add_failures(parser: ArgumentParser) -> None:
    parser.add_argument("--task", action="append", help="whole path of a task; else all")
    parser.add_argument("--traceback", action="store_true", help="show one of each group")


def failures(terminal: Terminal, options: dict[str, Any]) -> None:
    """Show failed jobs by task and exception."""
    inspector = terminal.engine.inspector
    wanted = options["task"] or inspector.failed_tasks()
    groups = read_failures(terminal.engine.client, wanted)
    rows = [
        {
            "count": one.count,
            "task": one.task,
            "exception": one.exception,
            "first": instant(one.first_at),
            "last": instant(one.last_at),
            "id": one.job_id,
            "traceback": one.traceback,
        }
        for one in groups
    ]
    columns = [*FAILURES]
    if terminal.as_json and options["traceback"]:
        columns.append(Column("traceback", "", printing.word))
    terminal.show(columns, rows, _("No job has failed."))
    for row in rows if options["traceback"] and not terminal.as_json else ():
        terminal.tell()
        terminal.tell(f"{row['task']}: {row['exception']}")
        for line in str(row["traceback"]).splitlines():
            terminal.tell(f"    {line}")
    kept = sum(count_failures(terminal.engine.client, wanted).values())
    if sum(one.count for one in groups) < kept:
        text = _("Of each task these are the newest %(count)s failed jobs.")
        terminal.note(text % {"count": phrases.count(window_of(len(wanted)))})


def schedules(terminal: Terminal, options: dict[str, Any]) -> None:
    """Show the schedules that are fired, and those that are not, with the reason."""
    listing = current(terminal.engine.alias)
    stats = terminal.engine.inspector.schedules.stats([spec.name for spec in listing.specs])
    rows = [_schedule(spec, stats.get(spec.name, ScheduleStats())) for spec in listing.specs]
    rows += [
        {"schedule": name, "note": _("not fired: %(why)s") % {"why": why}}
        for name, why in (*listing.faults, *listing.left_out)
    ]
    terminal.show(SCHEDULES, rows, _("There is no schedule."))
    if terminal.engine.inspector.schedules.seen_at() is None and rows:
        terminal.note(_("No scheduler was ever seen: start manage.py jobscheduler."))


def _schedule(spec: ScheduleSpec, stats: ScheduleStats) -> dict[str, Any]:
    following = spec.timetable.next(datetime.now(UTC), 1)
    return {
        "schedule": spec.name,
        "task": spec.task.module_path,
        "next": instant(to_ms(following[0])) if following else None,
        "last": instant(stats.fired_at),
        "fired": stats.fired,
        "missed": stats.missed,
    }


def known_task(path: str) -> Any:
    """Return the task at a path.

    Raises: CommandError, with the path that may be meant.
    """
    known = registered()
    if path in known:
        return known[path]
    close = get_close_matches(path, known, n=1)
    if not close:
        raise CommandError(_("There is no task '%(task)s'.") % {"task": path})
    text = _("There is no task '%(task)s'. Did you mean '%(meant)s'?")
    raise CommandError(text % {"task": path, "meant": close[0]})
