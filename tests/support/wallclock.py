"""An oracle for cron: it walks through the minutes of a zone, and knows nothing of cron.py."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RANGES = [range(60), range(24), range(1, 32), range(1, 13), range(7)]


class Hour(NamedTuple):
    """One hour that passes, and what the clocks of a zone show, without the zone."""

    at: datetime  # UTC
    begins: datetime
    ends: datetime
    changes: bool  # they do not simply go on


def shown(zone: str, at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def hours(zone: str, begin: datetime, end: datetime) -> list[Hour]:
    """Return all hours of a stretch of time."""
    instants = [begin + number * HOUR for number in range((end - begin) // HOUR + 1)]
    walls = [shown(zone, at) for at in instants]
    pairs = zip(instants[:-1], walls[:-1], walls[1:], strict=True)
    return [Hour(at, begins, ends, ends - begins != HOUR) for at, begins, ends in pairs]


def transitions(zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """Return the hours in which the clocks of a zone change."""
    return [hour.at for hour in hours(zone, begin, end) if hour.changes]


class Spec:
    """The sets of a cron text out of stars, numbers, lists, ranges and steps."""

    def __init__(self, text: str) -> None:
        self.sets = [
            {value for part in field.split(",") for value in _values(part, allowed)}
            for field, allowed in zip(text.split(), RANGES, strict=True)
        ]
        self.names_hours = len(self.sets[1]) < 24

    def matches(self, wall: datetime) -> bool:
        shown = (wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
        return all(value in allowed for value, allowed in zip(shown, self.sets, strict=True))


def _values(part: str, allowed: range) -> Iterable[int]:
    body, _, step = part.partition("/")
    first, _, last = body.partition("-")
    values = allowed if body == "*" else range(int(first), int(last or first) + 1)
    return values[:: int(step or 1)]


def fires(spec: Spec, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """Return when a cron text fires: as clocks show it, or as they first reach or pass it."""
    found = []
    reached = shown(zone, begin) - MINUTE
    near = spec.sets[1] | {(hour - 1) % 24 for hour in spec.sets[1]}
    for hour in hours(zone, begin, end):
        plain = not hour.changes and hour.begins <= reached + MINUTE
        if plain and hour.begins.hour not in near:
            reached = max(reached, hour.ends - MINUTE)
            continue
        for number in range(60):
            at = hour.at + number * MINUTE
            wall = shown(zone, at)
            new = _passed(reached, wall) if spec.names_hours else [wall]
            reached = max(reached, wall)
            if any(spec.matches(each) for each in new):
                found.append(at)
    return found


def _passed(reached: datetime, wall: datetime) -> list[datetime]:
    return [reached + (number + 1) * MINUTE for number in range((wall - reached) // MINUTE)]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
