"""What of a schedule is to be fired now."""

from datetime import UTC, datetime, timedelta

import pytest

from django_jobqueue.schedules.cron import Cron, Every
from django_jobqueue.schedules.timetable import COUNTED, GRACE, Due, Timetable
from tests.support.wallclock import utc

S = timedelta(seconds=1)
NOON = utc(2026, 6, 1, 12)
TEN_MINUTES = Every(600)


def at(*minutes: int) -> tuple[datetime, ...]:
    return tuple(NOON + timedelta(minutes=minute) for minute in minutes)


def test_nothing_is_due_between_two_times() -> None:
    assert Timetable(TEN_MINUTES).due(NOON, NOON + 599 * S) == Due()


def test_due_at_the_very_moment() -> None:
    assert Timetable(TEN_MINUTES).due(NOON, NOON + 600 * S) == Due(at(10))


def test_what_was_handled_is_not_due() -> None:
    """A time at `since` itself is done."""
    assert Timetable(TEN_MINUTES).due(NOON + 600 * S, NOON + 601 * S) == Due()


@pytest.mark.parametrize("catch_up", ["skip", "last", "all"])
def test_a_time_of_the_last_minute_is_on_time(catch_up: str) -> None:
    """Who looks a little late fires all the same, whatever the policy."""
    table = Timetable(TEN_MINUTES, catch_up=catch_up)
    assert table.due(NOON, NOON + 600 * S + GRACE) == Due(at(10))


def test_skip_leaves_late_times_out() -> None:
    """They are counted, and fired never more."""
    table = Timetable(TEN_MINUTES)
    late = NOON + 600 * S + GRACE + S / 1000
    assert table.due(NOON, late) == Due((), 1, *at(10))
    assert table.due(NOON, NOON + 3600 * S) == Due(at(60), 5, *at(50))


def test_last_fires_the_newest_late_time() -> None:
    table = Timetable(TEN_MINUTES, catch_up="last")
    assert table.due(NOON, NOON + 3300 * S) == Due(at(50), 4, *at(40))


def test_last_does_without_it_if_one_is_on_time() -> None:
    """One fire is enough after a pause."""
    table = Timetable(TEN_MINUTES, catch_up="last")
    assert table.due(NOON, NOON + 3610 * S) == Due(at(60), 5, *at(50))


def test_all_fires_each_oldest_first() -> None:
    table = Timetable(TEN_MINUTES, catch_up="all")
    assert table.due(NOON, NOON + 3610 * S) == Due(at(10, 20, 30, 40, 50, 60))


def test_all_fires_at_most_so_many_late_ones() -> None:
    """The newest of them; one that is on time is no late one."""
    table = Timetable(TEN_MINUTES, catch_up="all", catch_up_max=2)
    assert table.due(NOON, NOON + 3610 * S) == Due(at(40, 50, 60), 3, *at(30))


def test_times_before_the_start_do_not_count() -> None:
    """The start itself may be a time."""
    table = Timetable(TEN_MINUTES, start=NOON + 1200 * S, catch_up="all")
    assert table.due(NOON, NOON + 1800 * S) == Due(at(20, 30))
    assert table.next(NOON, 2) == [*at(20, 30)]
    assert table.next(NOON + 1200 * S, 1) == [*at(30)]


def test_times_from_the_end_on_do_not_count() -> None:
    """So that one schedule may begin when another ends."""
    table = Timetable(TEN_MINUTES, end=NOON + 1200 * S, catch_up="all")
    assert table.due(NOON, NOON + 1800 * S) == Due(at(10))
    assert table.due(NOON, NOON + 1200 * S) == Due(at(10))
    assert table.next(NOON, 5) == [*at(10)]
    assert table.next(NOON + 1200 * S, 5) == []


def test_times_within_the_grace_after_the_end() -> None:
    """A time before the end is fired after it, if nobody looked in between."""
    table = Timetable(TEN_MINUTES, end=NOON + 601 * S)
    assert table.due(NOON, NOON + 630 * S) == Due(at(10))


def test_start_below_milliseconds() -> None:
    """An anchor is cut to whole ms, and its own time still is the first."""
    start = NOON + timedelta(microseconds=700)
    table = Timetable(Every(600, start), start=start)
    assert table.next(NOON - 3600 * S, 1) == [NOON]
    assert table.due(NOON - 3600 * S, NOON + S) == Due((NOON,))


def test_a_look_is_bounded() -> None:
    """After a year without a scheduler, one look does not count all its seconds."""
    due = Timetable(Every(1)).due(NOON - timedelta(days=365), NOON)
    assert len(due.fires) == 61
    assert due.missed == COUNTED - 61
    assert due.passed == NOON - 61 * S


def test_next_five_of_a_zone() -> None:
    """The ones that the admin shows."""
    table = Timetable(Cron("30 2 * * *", "Europe/Berlin"))
    found = table.next(utc(2026, 3, 27, 12), 3)
    assert found == [utc(2026, 3, 28, 1, 30), utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]


@pytest.mark.parametrize("times", [Every(86_400 * 365), Cron("@yearly", "America/New_York")])
def test_the_calendar_ends(times: Every | Cron) -> None:
    """Where there is no next time, there is none; nothing breaks."""
    table = Timetable(times, start=utc(9997, 6, 1), end=datetime.max.replace(tzinfo=UTC))
    found = table.next(NOON, 5)
    assert 1 <= len(found) < 5
    assert table.due(NOON, NOON + S) == Due()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"catch_up": "never"}, r"catch_up='never': use one of 'skip', 'last', 'all'\."),
        ({"catch_up_max": 0}, r"catch_up_max=0: give 1 to 1000\."),
        ({"catch_up_max": 1001}, r"catch_up_max=1001: give 1 to 1000\."),
        ({"catch_up_max": 2.5}, r"catch_up_max=2\.5: give 1 to 1000\."),
        ({"catch_up_max": None}, r"catch_up_max=None: give 1 to 1000\."),
        ({"start": utc(9999, 1, 1)}, r"start=9999-.*: give a time before the year 9999\."),
        (
            {"start": NOON, "end": NOON},
            r"start=2026-06-01T12:00:00\+00:00 is not before end=2026-06-01T12:00:00\+00:00\.",
        ),
        ({"start": datetime(2026, 1, 1)}, "start=.* has no time zone"),
        ({"end": datetime(2026, 1, 1)}, "end=.* has no time zone"),
    ],
)
def test_what_a_timetable_refuses(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timetable(TEN_MINUTES, **given)  # type: ignore[arg-type]
