"""Decide which times of a schedule to fire now, and which were missed.

Next: worker/scheduling/scheduler.py fires these times.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from django_jobqueue.schedules.cron import MILLISECOND, Times

GRACE = timedelta(seconds=60)  # a time no older than this is on time, and always fired
CATCH_UPS = ("skip", "last", "all")
CATCH_UP_MAX = 100
MOST = 1000  # upper bound of catch_up_max
COUNTED = 10_000  # times that `due` considers: older ones are ignored
# All times are earlier, because the calendar's last year can't be expressed in every zone.
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Due:
    """The times that are due, as `Timetable.due` returns them."""

    fires: tuple[datetime, ...] = ()  # oldest first
    missed: int = 0  # number of times that are no longer fired; all are before `fires`
    passed: datetime | None = None  # the newest missed time


@dataclass(frozen=True, slots=True)
class Timetable:
    """The times of a schedule, from `start` and before `end`, with a rule for late ones.

    A time is late if no scheduler fired it for a minute. `catch_up` omits late times ("skip"),
    fires the newest of them unless a time that is on time follows ("last"), or fires the
    newest `catch_up_max` of them ("all").
    Raises: ValueError.
    """

    times: Times
    start: datetime | None = None
    end: datetime | None = None
    catch_up: str = "skip"
    catch_up_max: int = CATCH_UP_MAX

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None and value.tzinfo is None:
                raise ValueError(f"{name}={value!r} has no time zone: give an aware datetime.")
        if self.start and self.start >= LATEST:
            raise ValueError(
                f"start={self.start.isoformat()}: give a time before the year {LATEST.year}."
            )
        if self.start and self.end and self.start >= self.end:
            raise ValueError(
                f"start={self.start.isoformat()} is not before end={self.end.isoformat()}."
            )
        if self.catch_up not in CATCH_UPS:
            allowed = ", ".join(map(repr, CATCH_UPS))
            raise ValueError(f"catch_up={self.catch_up!r}: use one of {allowed}.")
        if type(self.catch_up_max) is not int or not 1 <= self.catch_up_max <= MOST:
            raise ValueError(f"catch_up_max={self.catch_up_max!r}: give 1 to {MOST}.")

    def next(self, after: datetime, count: int) -> list[datetime]:
        """Return the next times after a moment, at most `count`."""
        found: list[datetime] = []
        end = LATEST if self.end is None else min(self.end, LATEST)
        with suppress(OverflowError):  # the calendar ends, and there is no next one
            times = takewhile(lambda at: at < end, self.times.after(self._begin(after)))
            found.extend(islice(times, count))
        return found

    def due(self, since: datetime, now: datetime) -> Due:
        """Return which of the times after `since`, up to and including `now`, to fire."""
        begin = self._begin(since)
        latest = now if self.end is None or now < self.end else self.end - MILLISECOND
        open_times = takewhile(lambda at: at > begin, self.times.until(latest))
        newest = tuple(islice(open_times, COUNTED))
        on_time = sum(now - at <= GRACE for at in newest)
        late = {"skip": 0, "last": int(not on_time), "all": self.catch_up_max}[self.catch_up]
        fires, missed = newest[: on_time + late], newest[on_time + late :]
        return Due(fires[::-1], len(missed), missed[0] if missed else None)

    def _begin(self, moment: datetime) -> datetime:
        """Return the moment after which times count."""
        if self.start is None or self.start <= moment:
            return moment
        return self.start - MILLISECOND  # times are whole ms, and one may equal `start`
