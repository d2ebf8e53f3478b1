"""What is known of a schedule when it is shown: its definition, its fires, what is wrong."""

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
from django_jobqueue.engine.schedule_stats import ScheduleStats
from django_jobqueue.ledger import Schedule
from django_jobqueue.schedules.cron import Cron, to_ms
from django_jobqueue.schedules.spec import Entry, declared
from django_jobqueue.schedules.stored import definition
from django_jobqueue.schedules.timetable import Timetable

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

UNSEEN_MS = 30_000  # schedulers look every 5 s
NEXT = 5  # fires that a page shows


class Origin(Enum):
    """Who says what a schedule is."""

    CODE = "code"
    HERE = "here"
    OVERRIDE = "override"
    GONE = "gone"


ORIGINS: dict[Origin, "_StrPromise"] = {
    Origin.CODE: gettext_lazy("in the code"),
    Origin.HERE: gettext_lazy("here"),
    Origin.OVERRIDE: gettext_lazy("here, overrides the code"),
    Origin.GONE: gettext_lazy("gone from the code"),
}


@dataclass(frozen=True, slots=True)
class Sight:
    """A schedule at one instant."""

    origin: Origin
    entry: Entry | None  # None: broken, or gone from the code
    fault: str  # why it is broken
    stats: ScheduleStats | None  # None: no scheduler knows it, or Redis is away

    @property
    def is_of_code(self) -> bool:
        """Tell whether the code gave the name."""
        return self.origin is not Origin.HERE

    def next_at(self) -> datetime | None:
        fires = next_fires(self.entry.timetable, 1) if self.entry else []
        return fires[0] if fires else None


@dataclass(frozen=True, slots=True)
class Fire:
    """A time at which a schedule fires, for a table."""

    local: str
    offset: str  # from UTC
    utc: str
    away: str


def attach(rows: Iterable[Schedule], source: Source) -> None:
    """Give each row what is known of it, with one reading per alias."""
    wanted = list(rows)
    for alias in sorted({row.alias for row in wanted}):
        group = [row for row in wanted if row.alias == alias]
        stats = _read(source, alias, [row.name for row in group])
        for row in group:
            row.sight = _sight(row, stats.get(row.name))


def absence(source: Source, alias: str) -> str:
    """Return what to say if no scheduler of an alias is there."""
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
    return text % {"alias": alias, "span": display.span(unseen), "cure": cure}


def zone_of(timetable: Timetable) -> str:
    """Return the zone in whose hours people think of a schedule."""
    times = timetable.times
    return times.timezone if isinstance(times, Cron) else settings.TIME_ZONE


def next_fires(timetable: Timetable, count: int = NEXT) -> list[datetime]:
    return timetable.next(datetime.now(UTC), count)


def table_of(timetable: Timetable) -> list[Fire]:
    """Return the next fires in the schedule's zone, in UTC, and how far away each is."""
    zone, now = ZoneInfo(zone_of(timetable)), display.now_ms()
    return [
        Fire(
            local=at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S"),
            offset=f"UTC{at.astimezone(zone).isoformat()[-6:]}",
            utc=at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            away=_("in %(span)s") % {"span": display.span(to_ms(at) - now)},
        )
        for at in next_fires(timetable)
    ]


def _read(source: Source, alias: str, names: list[str]) -> dict[str, ScheduleStats]:
    unknown: dict[str, ScheduleStats] = {}
    return source.read(alias, lambda seen: seen.schedules.stats(names), unknown)


def _sight(row: Schedule, stats: ScheduleStats | None) -> Sight:
    origin = _origin(row)
    try:
        return Sight(origin, definition(row), "", stats)
    except ValueError as error:
        return Sight(origin, None, str(error), stats)


def _origin(row: Schedule) -> Origin:
    if row.name in declared():
        return Origin.CODE if row.from_code else Origin.OVERRIDE
    return Origin.GONE if row.from_code or row.overrides else Origin.HERE
