"""When something repeats: compared with an oracle that walks through the minutes."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from django_jobqueue.schedules.cron import ALIASES, EPOCH, Cron, Every
from tests.support.wallclock import Spec, fires, transitions, utc

ZONES = {
    "Europe/Berlin": 4,
    "Europe/Bucharest": 4,
    "America/New_York": 4,
    "America/Santiago": 4,  # at midnight
    "Asia/Beirut": 4,  # the hour before midnight comes twice
    "Australia/Lord_Howe": 4,  # half an hour
    "Antarctica/Troll": 4,  # two hours
    "Africa/Casablanca": 4,  # with the moon
    "Asia/Kathmandu": 0,  # no change, and not at a full hour from UTC
}
TEXTS = [
    "30 2 * * *",
    "0 0 * * *",
    "0 3 * * *",
    "59 23 * * *",
    "0,30 0-3 * * *",
    "*/20 1-3 * * *",
    "0 */2 * * *",
    "15 * * * *",
    "*/7 * * * *",
    "*/10 */1 * * 0,6",
    "45 1 * * 0",
]
DAY = timedelta(days=1)


S = timedelta(seconds=1)


@pytest.mark.parametrize("zone", ZONES)
def test_cron_where_clocks_change(zone: str) -> None:
    """Around each change of two years, forward and backward, as the clocks of the zone show."""
    changes = transitions(zone, utc(2025, 1, 1), utc(2027, 1, 1))
    assert len(changes) == ZONES[zone]
    for change in changes or [utc(2025, 3, 30)]:
        for text in TEXTS:
            wanted = fires(Spec(text), zone, change - DAY, change + DAY)
            cron = Cron(text, zone)
            found = list(islice(cron.after(change - DAY - S), len(wanted) + 1))
            assert found[:-1] == wanted, text
            assert found[-1] >= change + DAY
            found = list(islice(cron.until(change + DAY - S), len(wanted) + 1))
            assert found[-2::-1] == wanted, text
            assert found[-1] < change - DAY


@pytest.mark.parametrize("zone", ZONES)
def test_cron_from_any_moment(zone: str) -> None:
    """From whatever moment one looks, the next and the latest time are the same ones."""
    random = Random(zone)
    for change in transitions(zone, utc(2026, 1, 1), utc(2027, 1, 1)):
        for text in TEXTS[:-1]:
            cron, wanted = Cron(text, zone), fires(Spec(text), zone, change - DAY, change + DAY)
            moments = [change - DAY + 2 * DAY * random.random() for _ in range(8)]
            near = [at for at in wanted if abs(at - change) < 3 * 3600 * S]
            moments += [at + shift for at in near for shift in (-1 * S, 0 * S, S / 1000)]
            for moment in moments:
                known = bisect_right(wanted, moment)
                if known < len(wanted):
                    assert next(cron.after(moment)) == wanted[known], (text, moment)
                if known:
                    assert next(cron.until(moment)) == wanted[known - 1], (text, moment)


def test_time_in_a_gap_is_the_first_instant_after() -> None:
    """Half past two does not exist on that day: three o'clock is when it has passed."""
    (first,) = islice(Cron("30 2 * * *", "Europe/Berlin").after(utc(2026, 3, 28, 12)), 1)
    assert first == utc(2026, 3, 29, 1)
    assert first.astimezone(ZoneInfo("Europe/Berlin")).hour == 3


def test_times_in_a_gap_that_fall_together_are_one() -> None:
    """The times of an hour that is left out are not all fired at its end."""
    found = list(islice(Cron("*/20 2 * * *", "Europe/Berlin").after(utc(2026, 3, 28, 12)), 4))
    assert found == [utc(2026, 3, 29, 1), *(utc(2026, 3, 30, 0, at) for at in (0, 20, 40))]


def test_time_that_comes_twice_is_fired_once() -> None:
    """The first of the two counts if the text names hours."""
    found = list(islice(Cron("30 2 * * *", "Europe/Berlin").after(utc(2026, 10, 24, 12)), 2))
    assert found == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


def test_every_hour_is_every_hour_that_passes() -> None:
    """An hour that comes twice is two hours."""
    found = list(islice(Cron("30 * * * *", "Europe/Berlin").after(utc(2026, 10, 24, 23)), 4))
    assert [at.hour for at in found] == [23, 0, 1, 2]
    assert {at.minute for at in found} == {30}


def test_a_day_that_a_zone_leaves_out() -> None:
    """Samoa went from the 29th to the 31st: what was due on the 30th is due at its end."""
    found = list(islice(Cron("0 9 * * *", "Pacific/Apia").after(utc(2011, 12, 29)), 3))
    assert found == [utc(2011, 12, 29, 19), utc(2011, 12, 30, 10), utc(2011, 12, 30, 19)]


def test_leap_day() -> None:
    """The 29th of February comes in leap years, and 2100 is none."""
    cron = Cron("0 12 29 2 *", "UTC")
    assert [at.year for at in islice(cron.after(utc(2023, 1, 1)), 3)] == [2024, 2028, 2032]
    assert next(cron.after(utc(2096, 3, 1))) == utc(2104, 2, 29, 12)
    assert next(cron.until(utc(2103, 1, 1))) == utc(2096, 2, 29, 12)


def test_last_days_and_named_days() -> None:
    """What cron texts of today know beyond numbers."""
    last = list(islice(Cron("0 0 L * *", "UTC").after(utc(2026, 1, 1)), 3))
    assert [at.day for at in last] == [31, 28, 31]
    second = next(Cron("0 9 * * MON#2", "UTC").after(utc(2026, 6, 1)))
    assert second == utc(2026, 6, 8, 9)
    assert Cron("0 9 * * mon", "UTC").text == "0 9 * * mon"


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias: str) -> None:
    """Each is the same as its five fields."""
    begin = utc(2026, 2, 3, 4, 5)
    plain = Cron(ALIASES[alias], "Europe/Berlin")
    named = Cron(alias, "Europe/Berlin")
    assert list(islice(named.after(begin), 3)) == list(islice(plain.after(begin), 3))
    assert named.rule != plain.rule


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("61 * * * *", "has a wrong minute"),
        ("* 24 * * *", "has a wrong hour"),
        ("0 0 32 * *", "has a wrong day of month"),
        ("0 0 30 2 *", "has a wrong day of month"),
        ("* * * 13 *", "has a wrong month"),
        ("* * * * 8", "has a wrong day of week"),
        ("*/0 * * * *", "has a wrong minute"),
        ("0 3 * *", "has not five fields"),
        ("0 0 3 * * *", "has not five fields"),
        ("@reboot", "has not five fields"),
        ("", "has not five fields"),
        ("every day", "has not five fields"),
    ],
)
def test_wrong_cron_text(text: str, wrong: str) -> None:
    """The message quotes the text, names the field and says what is allowed."""
    with pytest.raises(ValueError, match=wrong) as raised:
        Cron(text, "UTC")
    assert str(raised.value).startswith(f"cron={text!r} ")
    assert "such as '0 3 * * *'; or one of @hourly, @daily" in str(raised.value)


def test_cron_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="cron=5: give a text"):
        Cron(5, "UTC")  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ["Europe/Berln", "Europe", "", "../etc/passwd", "/etc/passwd"])
def test_wrong_zone(zone: str) -> None:
    """The message quotes the zone and names one that exists."""
    with pytest.raises(ValueError, match="there is no such time zone") as raised:
        Cron("* * * * *", zone)
    assert str(raised.value).startswith(f"timezone={zone!r}")
    if zone == "Europe/Berln":
        assert str(raised.value).endswith("such as 'Europe/Berlin'.")


def test_interval_stands_on_a_grid() -> None:
    """However late one looks, the times are the same: nothing drifts."""
    every = Every(600)
    wanted = [utc(2026, 6, 1, 12, minute) for minute in (10, 20, 30)]
    for second in (0, 1, 599):
        moment = utc(2026, 6, 1, 12) + second * S
        assert list(islice(every.after(moment), 3)) == wanted
    assert next(every.until(wanted[0])) == wanted[0]
    assert next(every.until(wanted[0] - S / 1000)) == utc(2026, 6, 1, 12)


def test_interval_from_its_anchor() -> None:
    """The grid goes through the anchor, before it and after it."""
    every = Every(90.5, utc(2026, 1, 1, 8, 0, 7))
    assert next(every.until(utc(2026, 1, 1, 8, 0, 7))) == utc(2026, 1, 1, 8, 0, 7)
    assert next(every.after(utc(2026, 1, 1, 8, 0, 7))) == utc(2026, 1, 1, 8, 1, 37, 500_000)
    assert next(every.until(utc(2026, 1, 1, 8))) == utc(2026, 1, 1, 7, 58, 36, 500_000)


@pytest.mark.parametrize("seconds", [0, 0.5, -1, 0.999, 1e9, float("nan"), float("inf")])
def test_interval_out_of_range(seconds: float) -> None:
    with pytest.raises(ValueError, match=f"every={seconds!r} s: give 1 second to 10 years"):
        Every(seconds)


def test_interval_below_milliseconds() -> None:
    with pytest.raises(ValueError, match=r"every=1.0005 s: give whole milliseconds"):
        Every(1.0005)


def test_anchor_without_zone() -> None:
    with pytest.raises(ValueError, match="give an aware datetime"):
        Every(60, datetime(2026, 1, 1))


def test_rules_tell_times_apart() -> None:
    """What changes the times changes the rule, and nothing else does."""
    rules = {
        Cron("0 3 * * *", "UTC").rule,
        Cron("0 3 * * *", "Europe/Berlin").rule,
        Cron("1 3 * * *", "UTC").rule,
        Every(600).rule,
        Every(601).rule,
        Every(600, utc(2026, 1, 1, 0, 5)).rule,
    }
    assert len(rules) == 6
    assert Cron(" 0  3 * * *", "UTC").rule == Cron("0 3 * * *", "UTC").rule
    assert Every(600).rule == Every(600.0, EPOCH.astimezone(ZoneInfo("Asia/Tokyo"))).rule


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (Cron("0 3 * * *", "Europe/Berlin"), "At 03:00 every day, Europe/Berlin"),
        (Cron("@hourly", "UTC"), "At the start of every hour, UTC"),
        (Every(1), "Every second"),
        (Every(600), "Every 10 minutes"),
        (Every(90), "Every 90 seconds"),
        (Every(1.5), "Every 1.5 seconds"),
        (Every(7 * 86_400), "Every week"),
    ],
)
def test_description(times: Cron | Every, wanted: str) -> None:
    assert times.describe() == wanted


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (Every(600), "Alle 10 Minuten"),
        (Every(1.5), "Alle 1,5 Sekunden"),
        (Every(7 * 86_400), "Jede Woche"),
        (Cron("0 3 * * *", "Europe/Berlin"), "0 3 * * *, Europe/Berlin"),
    ],
)
def test_description_in_german(times: Cron | Every, wanted: str) -> None:
    """What nobody has translated is not mixed with what is: a cron expression stays as it is."""
    with translation.override("de"):
        assert times.describe() == wanted


def test_all_times_are_in_utc() -> None:
    for times in (Cron("0 3 * * *", "Asia/Tokyo"), Every(60)):
        moment = datetime(2026, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))
        assert next(times.after(moment)).tzinfo is UTC
        assert next(times.until(moment)).tzinfo is UTC
