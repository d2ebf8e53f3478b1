"""What is to be fired: the schedules of code and database together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models.signals import post_migrate
from django.utils import timezone

from django_jobqueue import compat, schedule
from django_jobqueue.models import Schedule
from django_jobqueue.schedules.stored import current, enter_after_migrate, enter_declared, spec_of
from tests.project.tasks import add, noop
from tests.support.schedule_rows import ADD, row_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("declarations")]


def names(alias: str = "default") -> list[str]:
    return [entry.name for entry in current(alias).specs]


def test_code_and_rows_are_fired() -> None:
    schedule("in-code", noop, every=60)
    row_of("here", queue="mail", priority=0, kwargs={}, overlap="skip")
    in_code, here = sorted(current("default").specs, key=lambda entry: entry.origin)
    assert (in_code.name, in_code.origin) == ("in-code", "code")
    assert (here.name, here.origin) == ("here", "database")
    assert (here.task.module_path, here.args, here.kwargs) == (ADD, [1, 2], {})
    assert (here.task.queue_name, here.task.priority, here.overlap) == ("mail", 0, "skip")


@pytest.fixture
def enter_at_migrate() -> Iterator[None]:
    """What the app connects when Django starts, and the other tests don't want."""
    app = apps.get_app_config("django_jobqueue")
    app.ready()
    yield
    assert post_migrate.disconnect(enter_after_migrate, sender=app)


def test_what_is_left_out_says_why() -> None:
    """Disabled, or gone from the code."""
    schedule("off", noop, every=60)
    enter_declared("default")
    Schedule.objects.update(enabled=False)
    Schedule.objects.create(name="gone", from_code=True, alias="default", task=ADD)
    assert dict(current("default").left_out) == {
        "off": "it is disabled in the admin",
        "gone": "the code does not declare it any more",
    }
    assert "off" not in dict(current("other").left_out)


def test_a_row_wins_over_the_code() -> None:
    schedule("nightly", noop, cron="0 3 * * *")
    row_of("nightly")
    (entry,) = current("default").specs
    assert entry.origin == "override"
    assert entry.task.module_path == ADD


def test_a_row_as_in_the_code_says_only_whether_it_is_enabled() -> None:
    declared = schedule("nightly", noop, cron="0 3 * * *")
    enter_declared("default")
    assert current("default").specs == (declared,)
    row = Schedule.objects.get()
    assert (row.from_code, row.enabled, row.task) == (True, True, "tests.project.tasks.noop")
    row.enabled = False
    row.save()
    assert names() == []


def test_entering_again_changes_nothing() -> None:
    schedule("nightly", noop, every=60)
    row = row_of("nightly")
    enter_declared("default")
    enter_declared("default")
    assert Schedule.objects.get() == row
    assert not Schedule.objects.get().from_code


def test_a_row_follows_its_code(settings: Any) -> None:
    """Where it stands and what it runs is shown even when it is gone from the code."""
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    row_of("nightly", from_code=True, every_seconds=None, enabled=False)
    schedule("nightly", noop.using(backend="archive"), every=60)
    enter_declared("default")
    assert Schedule.objects.get().alias == "default"
    enter_declared("archive")
    row = Schedule.objects.get()
    assert (row.alias, row.task, row.enabled) == ("archive", "tests.project.tasks.noop", False)


def test_migrate_enters_what_the_code_declares(enter_at_migrate: None, settings: Any) -> None:
    """Not what belongs to a backend of others: no scheduler fires it."""
    immediate = f"{compat.BaseTaskBackend.__module__.rpartition('.')[0]}.immediate.ImmediateBackend"
    settings.TASKS = settings.TASKS | {"other": {"BACKEND": immediate}}
    schedule("nightly", noop, every=60)
    schedule("elsewhere", noop.using(backend="other"), every=60)
    call_command("migrate", verbosity=0)
    row = Schedule.objects.get()
    assert (row.name, row.from_code, row.enabled) == ("nightly", True, True)


def test_migrating_another_database_enters_nothing() -> None:
    schedule("nightly", noop, every=60)
    enter_after_migrate(using="another")
    assert not Schedule.objects.exists()


def test_migrating_without_the_table_enters_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule("nightly", noop, every=60)
    # Django keeps the columns, with the table's name, of the first query in a process.
    assert list(Schedule.objects.all()) == []
    with monkeypatch.context() as patch:
        patch.setattr(Schedule._meta, "db_table", "no_such_table")
        enter_after_migrate(using="default")
    assert not Schedule.objects.exists()  # and the transaction goes on


def test_what_is_gone_from_the_code_fires_nothing() -> None:
    row_of("gone", from_code=True, every_seconds=None)
    assert current("default").specs == ()
    assert current("default").faults == ()
    assert spec_of(Schedule.objects.get()) is None


def test_each_alias_has_its_own(settings: Any) -> None:
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    schedule("first", noop, every=60)
    schedule("second", noop.using(backend="archive"), every=60)
    row_of("third", alias="archive")
    assert names() == ["first"]
    assert names("archive") == ["second", "third"]
    enter_declared("archive")
    assert set(Schedule.objects.values_list("name", "alias")) == {
        ("second", "archive"),
        ("third", "archive"),
    }


def test_a_row_can_move_a_schedule_to_another_alias(settings: Any) -> None:
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    schedule("nightly", noop, every=60)
    row_of("nightly", alias="archive")
    assert (names(), names("archive")) == ([], ["nightly"])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"task": "tests.project.tasks.gone"}, "There is no task 'tests.project.tasks.gone'"),
        ({"task": "os.system"}, "There is no task 'os.system'"),
        ({"task": "tests.project.trap.anything"}, "There is no task"),  # not even imported
        ({"args": [1]}, "missing a required argument: 'b'"),
        ({"args": "text"}, "args is 'text'"),
        ({"kwargs": [1]}, "kwargs is [1]"),
        ({"cron": "99 * * * *", "every_seconds": None}, "99 * * * *"),
        ({"cron": "0 0 * * *", "every_seconds": None, "timezone": "Mars/Base"}, "Mars/Base"),
        ({"queue": "a b"}, "a b"),
        ({"priority": 1000}, "priority"),
        ({"alias": "default", "overlap": "?"}, "'?'"),
        ({"catch_up": "?"}, "'?'"),
        ({"every_seconds": Decimal("0.1")}, "0.1"),
        ({"name": "a b"}, "'a b' can't be a name"),
    ],
)
def test_a_broken_row_is_told_and_stops_no_other(given: dict[str, Any], says: str) -> None:
    row_of("sound")
    row_of(given.pop("name", "broken"), **given)
    found = current("default")
    assert [entry.name for entry in found.specs] == ["sound"]
    ((name, told),) = found.faults
    assert name in {"broken", "a b"}
    assert says in told


def test_a_disabled_row_is_no_fault() -> None:
    row_of("broken", task="gone.away", enabled=False)
    assert current("default").faults == ()


def test_enabling_begins_a_new_rule() -> None:
    """Whatever else is saved begins none."""
    row = row_of("nightly", catch_up="all")
    first = row.enabled_since
    assert first is not None
    row.enabled = False
    row.save()
    row = Schedule.objects.get()
    row.save()
    assert row.enabled_since == first
    row.enabled = True
    row.save(update_fields=["enabled"])
    again = Schedule.objects.get().enabled_since
    assert again is not None
    assert again > first
    rules = []
    for since in (first, again, again):
        Schedule.objects.update(enabled_since=since)
        (entry,) = current("default").specs
        assert entry.timetable.start is None
        rules.append(entry.rule)
    assert rules[0] != rules[1] == rules[2]


def test_a_later_start_stays() -> None:
    start = timezone.now() + timedelta(days=1)
    row_of("nightly", start=start)
    (entry,) = current("default").specs
    assert entry.timetable.start == start


def test_enabled_after_its_end_it_has_nothing_to_fire() -> None:
    row_of("past", end=datetime(2020, 1, 1, tzinfo=UTC))
    (entry,) = current("default").specs
    now = timezone.now()
    assert entry.timetable.next(now, 1) == []
    assert entry.timetable.due(now - timedelta(hours=1), now).fires == ()


def test_a_schedule_of_the_code_owes_what_it_missed_before_it_had_a_row() -> None:
    """It was never disabled: entering it is no new beginning."""
    declared = schedule("nightly", noop, every=60, catch_up="last")
    enter_declared("default")
    assert current("default").specs[0].timetable == declared.timetable


def test_the_grid_of_an_interval_stays_when_it_is_enabled_again() -> None:
    row_of("grid", every_seconds=600)
    (entry,) = current("default").specs
    assert entry.timetable.next(datetime.now(UTC), 1)[0].minute % 10 == 0


def test_going_back_to_the_code_forgets_what_the_row_said() -> None:
    schedule("nightly", noop, cron="0 3 * * *")
    row = row_of("nightly", queue="mail", priority=3, catch_up="all", catch_up_max=7)
    row.follow_code("tests.project.tasks.noop")
    row.from_code = True
    row.full_clean()
    row.save()
    stored = Schedule.objects.get()
    assert (stored.queue, stored.priority, stored.every_seconds) == ("", None, None)
    assert (stored.args, stored.catch_up, stored.catch_up_max) == ([], "skip", 100)


@pytest.mark.parametrize(
    "given",
    [
        {"cron": "0 0 * * *", "every_seconds": 60},
        {"cron": "", "every_seconds": None},
        {"start": datetime(2027, 1, 2, tzinfo=UTC), "end": datetime(2027, 1, 1, tzinfo=UTC)},
    ],
)
def test_the_database_refuses_what_makes_no_sense(given: dict[str, Any]) -> None:
    row = Schedule(name="odd", task=ADD, every_seconds=60)
    for name, value in given.items():
        setattr(row, name, value)
    with pytest.raises(ValidationError):
        row.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_two_rows_of_one_name_can_not_be() -> None:
    row_of("nightly")
    with pytest.raises(IntegrityError), transaction.atomic():
        row_of("nightly")


def test_names_of_arguments_are_those_of_the_function() -> None:
    row_of("sum", args=[], kwargs={"a": 1, "b": 2})
    (entry,) = current("default").specs
    assert entry.kwargs == {"a": 1, "b": 2}
    assert entry.task.func is add.func
