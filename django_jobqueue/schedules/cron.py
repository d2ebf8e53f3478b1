"""The times of a cron text in a time zone, and of an interval on a fixed grid.

CronSim gives wall-clock times without a zone, and each one is then converted to instants:
usually one, but none or two where clocks change.
Next: timetable.py decides which of these times are fired.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import get_language, ngettext_lazy
from django.utils.translation import gettext as _

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
LONGEST = 10 * 365 * 86_400  # seconds

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ALLOWED = (
    "Give five fields: minute (0-59), hour (0-23), day of the month (1-31, or L for the last), "
    "month (1-12 or JAN-DEC), day of the week (0-7 or SUN-SAT), such as '0 3 * * *'; or one of "
    f"{', '.join(ALIASES)}."
)
_UNITS = (
    (604_800, ngettext_lazy("Every week", "Every %(count)d weeks", "count")),
    (86_400, ngettext_lazy("Every day", "Every %(count)d days", "count")),
    (3600, ngettext_lazy("Every hour", "Every %(count)d hours", "count")),
    (60, ngettext_lazy("Every minute", "Every %(count)d minutes", "count")),
    (1, ngettext_lazy("Every second", "Every %(count)d seconds", "count")),
)


class Times(Protocol):
    """Instants that repeat, all of them aware, in UTC and in whole milliseconds."""

    @property
    def rule(self) -> str:
        """Return a text that identifies the times: equal rules have equal times."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, oldest first."""

    def until(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times up to and including a moment, newest first."""

    def describe(self) -> str:
        """Return an English description of the times."""


def default_zone() -> str:
    """Return the time zone of a cron text for which no other one is given."""
    zone: str = settings.TIME_ZONE
    return zone


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of a cron text in an IANA time zone.

    If the hour field covers all hours, times occur in every hour that passes, also in a repeated
    one. Otherwise each time of day occurs once a day: where clocks go back, at the first of two
    instants; where they go forward over it, at the first instant after the gap.
    Raises: ValueError, TypeError.
    """

    text: str
    timezone: str

    def __post_init__(self) -> None:
        _parse(self.text)
        _zone(self.timezone)

    @property
    def rule(self) -> str:
        return f"cron {' '.join(self.text.split())} {self.timezone}"

    def after(self, moment: datetime) -> Iterator[datetime]:
        local = self._local(moment)
        # In the first pass of a repeated hour, earlier wall-clock times may still come again.
        again = _overlap(local) if not local.fold else timedelta(0)
        walls = CronSim(_fields(self.text), local.replace(tzinfo=None) - again)
        return (at for at in self._in_order(walls, 1) if at > moment)

    def until(self, moment: datetime) -> Iterator[datetime]:
        local = self._local(moment)
        # In the second pass, later wall-clock times have already come once.
        again = _overlap(local) if local.fold else timedelta(0)
        begin = local.replace(tzinfo=None, microsecond=0) + again + timedelta(seconds=1)
        walls = CronSim(_fields(self.text), begin, reverse=True)
        return (at for at in self._in_order(walls, -1) if at <= moment)

    def describe(self) -> str:
        # CronSim's words are English only.
        is_english = (get_language() or "en").startswith("en")
        words = _parse(self.text).explain() if is_english else self.text
        return f"{words}, {self.timezone}"

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(_zone(self.timezone))

    def _in_order(self, walls: CronSim, direction: int) -> Iterator[datetime]:
        """Yield the instants of wall-clock times in order, each once."""
        names_hours = len(walls.hours) < 24
        zone, last = _zone(self.timezone), None
        held: list[datetime] = []  # of the other pass, which follows all of this one
        for wall in walls:
            instants = _instants(wall, zone, names_hours)[::direction]
            while held and instants and (held[0] - instants[0]) * direction < timedelta(0):
                yield held.pop(0)
            if instants and instants[0] != last:
                last = instants[0]
                yield last
            held += instants[1:]
        yield from held


@dataclass(frozen=True, slots=True)
class Every:
    """Times at a fixed interval, on a grid that extends from the anchor in both directions.

    Raises: ValueError.
    """

    seconds: float
    anchor: datetime = EPOCH

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= LONGEST:
            raise ValueError(f"every={self.seconds!r} s: give 1 second to 10 years ({LONGEST} s).")
        if abs(self.seconds * 1000 - self._step) > 1e-6:
            raise ValueError(f"every={self.seconds!r} s: give whole milliseconds.")
        if self.anchor.tzinfo is None:
            raise ValueError(f"anchor={self.anchor!r} has no time zone: give an aware datetime.")

    @property
    def rule(self) -> str:
        return f"every {self._step} ms from {from_ms(to_ms(self.anchor)).isoformat()}"

    def after(self, moment: datetime) -> Iterator[datetime]:
        return self._from(self._last(moment) + self._step, self._step)

    def until(self, moment: datetime) -> Iterator[datetime]:
        return self._from(self._last(moment), -self._step)

    def describe(self) -> str:
        for length, text in _UNITS:
            count, rest = divmod(self._step, length * 1000)
            if not rest:
                return str(text % {"count": count})
        return _("Every %(count)s seconds") % {"count": number_format(str(self._step / 1000))}

    @property
    def _step(self) -> int:
        return round(self.seconds * 1000)

    def _last(self, moment: datetime) -> int:
        """Return the last time up to and including a moment, in ms since the epoch."""
        anchor = to_ms(self.anchor)
        return anchor + (to_ms(moment) - anchor) // self._step * self._step

    @staticmethod
    def _from(ms: int, step: int) -> Iterator[datetime]:
        while True:
            yield from_ms(ms)
            ms += step


def to_ms(moment: datetime) -> int:
    """Return an aware time as whole ms since the epoch."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(ms: int) -> datetime:
    return EPOCH + ms * MILLISECOND


def _fields(text: str) -> str:
    return ALIASES.get(text.strip().lower(), text)


def _parse(text: str) -> CronSim:
    """Return the parsed fields of a cron text.

    Raises: ValueError, TypeError.
    """
    if not isinstance(text, str):
        raise TypeError(f"cron={text!r}: give a text. {_ALLOWED}")
    fields = _fields(text)
    if len(fields.split()) != 5:
        raise ValueError(f"cron={text!r} has not five fields. {_ALLOWED}")
    try:
        parsed = CronSim(fields, datetime(2000, 1, 1))
        next(CronSim(fields, datetime(2000, 1, 1)))
    except CronSimError as error:
        wrong = str(error).removeprefix("Bad ").replace("-", " ")
        raise ValueError(f"cron={text!r} has a wrong {wrong}. {_ALLOWED}") from None
    except StopIteration:
        raise ValueError(f"cron={text!r}: there is no such day. {_ALLOWED}") from None
    return parsed


def _zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises: ValueError.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        near = get_close_matches(str(name), available_timezones(), 1) or ["Europe/Berlin"]
        raise ValueError(
            f"timezone={name!r}: there is no such time zone. Give a name of the IANA database, "
            f"such as {near[0]!r}."
        ) from None


def _overlap(local: datetime) -> timedelta:
    """Return how far clocks go back at this local time; 0 if the time comes once."""
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(second - first, timedelta(0))


def _instants(wall: datetime, zone: ZoneInfo, names_hours: bool) -> list[datetime]:
    """Return the instants of a wall-clock time, oldest first."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return [first]
    if first < second:
        return [first] if names_hours else [first, second]
    # Clocks skip this time: fold 0 uses the offset before the change, fold 1 the one after it.
    return [_forward(second, first, zone)] if names_hours else []


def _forward(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant between two others at which clocks go forward."""
    offset = after.astimezone(zone).utcoffset()
    seconds = range(to_ms(before) // 1000, to_ms(after) // 1000 + 1)

    def is_past(second: int) -> bool:
        return from_ms(second * 1000).astimezone(zone).utcoffset() == offset

    return from_ms(seconds[bisect_left(seconds, True, key=is_past)] * 1000)
