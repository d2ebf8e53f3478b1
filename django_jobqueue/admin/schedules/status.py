"""The status of a schedule for the admin: its spec, its fires and its fault."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.source import Source
from django_jobqueue.engine.schedules import ScheduleStats
from django_jobqueue.engine.server import UNSEEN_MS
from django_jobqueue.jobs import phrases
from django_jobqueue.models import Schedule
from django_jobqueue.schedules.cron import Cron, to_ms
from django_jobqueue.schedules.spec import ScheduleSpec, declared
from django_jobqueue.schedules.stored import spec_of
from django_jobqueue.schedules.timetable import Timetable

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NEXT = 5  # fires that a page shows


class Origin(Enum):
    """The place that defines a schedule: the code, the database or both."""

    CODE = "code"
    HERE = "here"
    OVERRIDE = "override"
    GONE = "gone"


ORIGINS: dict[Origin, "_StrPromise"] = {
    Origin.CODE: gettext_lazy("in the code"),
    Origin.HERE: gettext_lazy("in the admin"),
    Origin.OVERRIDE: gettext_lazy("in the admin, overrides the code"),
    Origin.GONE: gettext_lazy("no longer in the code"),
}


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """The status of a schedule at one instant."""

    origin: Origin
    entry: ScheduleSpec | None  # None: broken, or gone from the code
    fault: str  # why it is broken, or ""
    stats: ScheduleStats | None  # None: unknown in Redis, or Redis is unavailable

    @property
    def is_of_code(self) -> bool:
        """Return whether the name comes from the code."""
        return self.origin is not Origin.HERE

    @property
    def timetable(self) -> Timetable | None:
        return self.entry.timetable if self.entry else None

    @property
    def task_path(self) -> str:
        return self.entry.task.module_path if self.entry else ""

    def next_at(self) -> datetime | None:
        fires = self.entry.timetable.next(datetime.now(UTC), 1) if self.entry else []
        return fires[0] if fires else None


@dataclass(frozen=True, slots=True)
class Fire:
    """One row of the table of next fires."""

    local: str
    offset: str  # from UTC
    utc: str
    away: str


class Statuses:
    """Read and keep the statuses of the schedules that one request shows."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[int, ScheduleStatus] = {}  # by primary key

    def read(self, rows: Iterable[Schedule]) -> None:
        """Read the status of each row, with one call to Redis per alias."""
        groups: dict[str, list[Schedule]] = {}
        for row in rows:
            groups.setdefault(row.alias, []).append(row)
        for alias, group in sorted(groups.items()):
            stats = self._read_stats(alias, [row.name for row in group])
            for row in group:
                self._known[row.pk] = _status(row, stats.get(row.name))

    def of(self, row: Schedule) -> ScheduleStatus:
        """Return the status from the first read, because a form may have changed the row since."""
        if row.pk not in self._known:
            self.read([row])
        return self._known[row.pk]

    def _read_stats(self, alias: str, names: list[str]) -> dict[str, ScheduleStats]:
        unknown: dict[str, ScheduleStats] = {}
        return self._source.read(alias, lambda seen: seen.schedules.stats(names), unknown)


def no_scheduler_note(source: Source, alias: str) -> str:
    """Return a note if no scheduler of an alias was seen lately, or else ""."""
    nobody: int | None = 0
    seen_at = source.read(alias, lambda seen: seen.schedules.seen_at(), nobody)
    unseen = display.now_ms() - (seen_at or 0)
    if alias in source.faults or unseen <= UNSEEN_MS:
        return ""
    text = (
        _("No scheduler of “%(alias)s” was ever seen: nothing is fired. %(cure)s")
        if seen_at is None
        else _("No scheduler of “%(alias)s” was seen for %(span)s: nothing is fired. %(cure)s")
    )
    cure = _("Start manage.py jobscheduler, or workers with --scheduler.")
    return text % {"alias": alias, "span": phrases.span(unseen), "cure": cure}


def zone_of(timetable: Timetable) -> str:
    """Return the name of the time zone in which to show a schedule."""
    times = timetable.times
    return times.timezone if isinstance(times, Cron) else settings.TIME_ZONE


def table_of(timetable: Timetable) -> list[Fire]:
    """Return the next fires in the schedule's zone and in UTC, with the time until each."""
    zone, now = ZoneInfo(zone_of(timetable)), display.now_ms()
    return [
        Fire(
            local=at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S"),
            offset=f"UTC{at.astimezone(zone).isoformat()[-6:]}",
            utc=at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            away=_("in %(span)s") % {"span": phrases.span(to_ms(at) - now)},
        )
        for at in timetable.next(datetime.now(UTC), NEXT)
    ]


def _status(row: Schedule, stats: ScheduleStats | None) -> ScheduleStatus:
    origin = _origin(row)
    try:
        return ScheduleStatus(origin, spec_of(row), "", stats)
    except ValueError as error:
        return ScheduleStatus(origin, None, str(error), stats)


def _origin(row: Schedule) -> Origin:
    if row.name in declared():
        return Origin.CODE if row.from_code else Origin.OVERRIDE
    return Origin.GONE if row.from_code or row.overrides else Origin.HERE
