"""`schedule()`: what it takes, and what it says of what it does not take."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_jobqueue import compat, schedule
from django_jobqueue.checks import check_schedules
from django_jobqueue.schedules.spec import declared
from tests.project.tasks import add, attempt_of, echo, noop

pytestmark = pytest.mark.usefixtures("declarations")

JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_it_is_declared_with_all_that_is_its_own() -> None:
    entry = schedule(
        "sum",
        add.using(queue_name="mail", priority=7),
        args=[1],
        kwargs={"b": 2},
        cron="0 3 * * *",
        timezone="Europe/Berlin",
        start=JANUARY,
        end=JANUARY + timedelta(days=2),
        catch_up="all",
        catch_up_max=5,
        overlap="skip",
    )
    assert declared() == {"sum": entry}
    assert (entry.task.queue_name, entry.task.priority, entry.alias) == ("mail", 7, "default")
    assert (entry.args, entry.kwargs, entry.overlap) == ([1], {"b": 2}, "skip")
    assert entry.origin == "code"
    assert entry.timetable.next(JANUARY, 5) == [
        datetime(2027, 1, 1, 2, tzinfo=UTC),
        datetime(2027, 1, 2, 2, tzinfo=UTC),
    ]
    assert __file__ in entry.declared_at


def test_an_interval_begins_at_its_start_or_at_the_epoch() -> None:
    plain = schedule("plain", noop, every=600)
    begun = schedule("begun", noop, every=timedelta(minutes=10), start=JANUARY + MINUTE)
    after = JANUARY + 2 * MINUTE
    assert plain.timetable.next(after, 1) == [JANUARY + 10 * MINUTE]
    assert begun.timetable.next(after, 1) == [JANUARY + 11 * MINUTE]


def test_cron_without_a_zone_is_of_the_settings(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    entry = schedule("daily", noop, cron="0 0 * * *")
    assert entry.timetable.next(JANUARY, 1) == [datetime(2027, 1, 1, 18, 30, tzinfo=UTC)]


def test_the_worker_gives_the_context_not_the_schedule() -> None:
    assert schedule("with-context", attempt_of, args=["x"], every=60).args == ["x"]


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"name": "every day"}, ValueError, "'every day' can't be a name"),
        ({"name": ""}, ValueError, "'' can't be a name"),
        ({"task": len}, TypeError, "is no task: decorate the function with @task"),
        ({"task": noop.using(run_after=MINUTE)}, ValueError, "run_after belongs to a call"),
        ({"task": add}, TypeError, "missing a required argument: 'a'"),
        ({"task": add, "args": [1, 2, 3]}, TypeError, "too many positional arguments"),
        ({"kwargs": {"c": 1}}, TypeError, "unexpected keyword argument 'c'"),
        ({"task": attempt_of, "args": [1, 2]}, TypeError, "attempt_of(extra: str = '')"),
        ({"task": echo, "args": [JANUARY]}, TypeError, "positional argument 1"),
        ({"task": echo, "kwargs": {"at": JANUARY}}, TypeError, "argument 'at'"),
        ({"args": "text"}, TypeError, "args is 'text': give a list"),
        ({"kwargs": {1: 2}}, TypeError, "kwargs is {1: 2}: give a mapping of names"),
        ({"every": None}, ValueError, "give one of them"),
        ({"cron": "* * * * *"}, ValueError, "cron='* * * * *' and every=60: give one of them"),
        ({"every": "10 minutes"}, TypeError, "every='10 minutes': give seconds or a timedelta"),
        ({"every": True}, TypeError, "every=True"),
        ({"every": 0}, ValueError, "0"),
        ({"every": 0.5}, ValueError, "0.5"),
        ({"timezone": "Europe/Berlin"}, ValueError, "an interval is the same in all zones"),
        ({"every": None, "cron": "61 * * * *"}, ValueError, "61 * * * *"),
        ({"every": None, "cron": "0 0 0 * * *"}, ValueError, "0 0 0 * * *"),
        (
            {"every": None, "cron": "0 0 * * *", "timezone": "Europe/Bonn"},
            ValueError,
            "Europe/Bonn",
        ),
        ({"start": datetime(2027, 1, 1)}, ValueError, "has no time zone: give an aware datetime"),
        ({"end": "2027"}, TypeError, "end='2027': give a datetime"),
        ({"start": JANUARY, "end": JANUARY}, ValueError, "2027-01-01"),
        ({"catch_up": "some"}, ValueError, "'some'"),
        ({"catch_up_max": 0}, ValueError, "0"),
        ({"overlap": "wait"}, ValueError, "overlap='wait': use one of 'allow', 'skip'"),
    ],
)
def test_what_can_not_be_is_refused_where_it_is_declared(
    given: dict[str, Any], kind: type[Exception], says: str
) -> None:
    """The message begins with the schedule, and quotes what is wrong."""
    values: dict[str, Any] = {"name": "nightly", "task": noop, "every": 60} | given
    with pytest.raises(kind) as caught:
        schedule(values.pop("name"), values.pop("task"), **values)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("schedule ")
    assert says in str(caught.value)
    assert declared() == {}


def test_naive_times_are_of_the_settings_without_use_tz(settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Kolkata"
    entry = schedule("begun", noop, every=3600, start=datetime(2027, 1, 1))
    assert entry.timetable.start == datetime(2026, 12, 31, 18, 30, tzinfo=UTC)


def test_one_name_is_one_schedule() -> None:
    """The same once more, as when a module is imported twice, is none the worse."""
    first = schedule("nightly", noop, every=60)
    assert schedule("nightly", noop, every=60) == first
    with pytest.raises(ValueError, match="Two schedules are called 'nightly'") as caught:
        schedule("nightly", noop, every=61)
    assert str(caught.value).count(__file__) == 2
    assert declared() == {"nightly": first}


def test_sound_schedules_pass_the_checks() -> None:
    schedule("nightly", noop, every=60)
    assert check_schedules() == []


def test_w007_nobody_fires_another_backend(settings: Any) -> None:
    schedule("nightly", noop, every=60)
    backends = compat.BaseTaskBackend.__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{backends}.immediate.ImmediateBackend"}}
    (said,) = check_schedules()
    assert said.id == "jobqueue.W007"
    assert "schedule 'nightly' at" in said.msg


def test_e006_queue_that_is_not_listed(settings: Any) -> None:
    """QUEUES may be set for one deployment after the schedule was written for another."""
    schedule("nightly", noop.using(queue_name="mail"), every=60)
    settings.TASKS = {"default": settings.TASKS["default"] | {"QUEUES": ["default"]}}
    (said,) = check_schedules()
    assert said.id == "jobqueue.E006"
    assert "'mail'" in said.msg


def test_e006_arguments_that_are_too_large(settings: Any) -> None:
    schedule("nightly", echo, args=["x" * 100], every=60)
    entry = settings.TASKS["default"]
    options = entry["OPTIONS"] | {"MAX_PAYLOAD": 100}
    settings.TASKS = {"default": entry | {"OPTIONS": options}}
    (said,) = check_schedules()
    assert said.id == "jobqueue.E006"
    assert "more than the 100 allowed" in said.msg
