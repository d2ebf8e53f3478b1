"""The page of a schedule: its form, what it refuses, its preview, the code and its override."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.test import Client
from django.utils.html import escape

from django_jobqueue import schedule
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.redaction import HIDDEN
from django_jobqueue.jobs.result import result_of
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Schedule
from django_jobqueue.schedules import spec
from django_jobqueue.schedules.cron import to_ms
from django_jobqueue.schedules.spec import ScheduleSpec
from django_jobqueue.schedules.stored import current, enter_declared
from tests.project.tasks import echo, noop
from tests.support.pages import SCHEDULES, page_of, said
from tests.support.schedule_rows import ADD, row_of

pytestmark = pytest.mark.usefixtures("declarations", "engine")

NEW = f"{SCHEDULES}add/"
FORM: dict[str, Any] = {
    "name": "sum",
    "enabled": "on",
    "task": ADD,
    "args": "[1, 2]",
    "kwargs": "",
    "queue": "",
    "priority": "",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "every_seconds_number": "",
    "every_seconds_unit": "60",
    "start_0": "",
    "start_1": "",
    "end_0": "",
    "end_1": "",
    "catch_up": "skip",
    "catch_up_max": "100",
    "overlap": "allow",
}
EVERY = {"cron": "", "timezone": "", "every_seconds_number": "10"}


def errors(response: Any) -> dict[str, list[str]]:
    """Return what the form refused, by field."""
    assert response.status_code == 200, response
    form = response.context["adminform"].form
    assert form.is_bound
    found: dict[str, list[str]] = form.errors
    return dict(found)


def shown(response: Any) -> dict[str, Any]:
    """Return what a browser would send if nobody changed the form that it shows."""
    form = response.context["adminform"].form
    sent: dict[str, Any] = {}
    for name in form.fields:
        bound = form[name]
        widget = bound.field.widget.get_context(bound.html_name, bound.value(), {})["widget"]
        for each in widget.get("subwidgets", [widget]):
            value = each["value"]
            value = value[0] if isinstance(value, list) else value
            if each.get("type") != "checkbox":
                sent[each["name"]] = "" if value is None else value
            elif each["attrs"].get("checked"):
                sent[each["name"]] = "on"
    return sent


def fire(engine: Engine, entry: ScheduleSpec, nominal: int) -> Any:
    """Fire a schedule for one of its times, and return its job; None: it was left out."""
    rule, backend = entry.rule, entry.task.get_backend()
    prepared = backend.prepare_scheduled(
        entry.task, entry.args, entry.kwargs, schedule=entry.name, nominal_at=nominal
    )
    fired = engine.schedules.fire(entry.name, rule, nominal, prepared.job, overlap="skip")
    return None if fired.at is None else result_of(prepared.job, prepared.result.task)


def change_page(row: Schedule) -> str:
    return page_of("schedule", str(row.pk))


def in_code(**given: Any) -> Schedule:
    """Declare a schedule and enter it, as a scheduler does."""
    values: dict[str, Any] = {"args": ["x"], "cron": "0 3 * * *", "timezone": "UTC"} | given
    schedule("nightly", echo, **values)
    enter_declared("default")
    return Schedule.objects.get(name="nightly")


def test_a_schedule_is_added(staff: Any) -> None:
    client = staff("view_schedule", "add_schedule")
    form = FORM | {
        "kwargs": "{}",
        "queue": "mail",
        "priority": "-5",
        "start_0": "2027-01-01",
        "start_1": "00:00:00",
        "catch_up": "all",
        "catch_up_max": "7",
        "overlap": "skip",
    }
    assert client.post(NEW, form).status_code == 302
    row = Schedule.objects.get()
    assert (row.name, row.task, row.args, row.kwargs) == ("sum", ADD, [1, 2], {})
    assert (row.queue, row.priority, row.alias, row.from_code) == ("mail", -5, "default", False)
    assert (row.cron, row.timezone, row.every_seconds) == ("30 2 * * *", "Europe/Berlin", None)
    assert (row.catch_up, row.catch_up_max, row.overlap) == ("all", 7, "skip")
    assert row.enabled_since is not None
    (entry,) = current("default").specs
    assert entry.name == "sum"
    assert LogEntry.objects.get().action_flag == ADDITION


@pytest.mark.parametrize(
    ("number", "unit", "seconds"),
    [("10", "60", 600), ("1.5", "1", Decimal("1.5")), ("2", "3600", 7200), ("1", "604800", 604800)],
)
def test_an_interval_is_a_number_and_a_unit(
    admin_client: Client, number: str, unit: str, seconds: Any
) -> None:
    """It is shown again as it was typed."""
    given = FORM | EVERY | {"every_seconds_number": number, "every_seconds_unit": unit}
    assert admin_client.post(NEW, given).status_code == 302
    row = Schedule.objects.get()
    assert row.every_seconds == seconds
    again = shown(admin_client.get(change_page(row)))
    assert (str(again["every_seconds_number"]), str(again["every_seconds_unit"])) == (number, unit)


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"name": "every night"}, "name", "'every night' can't be a name: use 1 to 100 letters"),
        ({"name": ""}, "name", "This field is required."),
        ({"name": "taken"}, "name", "Schedule with this Name already exists."),
        ({"name": "in-code"}, "name", "“in-code” stands in the code"),
        ({"task": ""}, "task", "This field is required."),
        ({"task": "os.system"}, "task", "os.system is not one of the available choices"),
        ({"args": "[1, 2"}, "args", "“[1, 2” can't be used: Expecting ',' delimiter"),
        ({"args": '{"a": 1}'}, "args", '“{"a": 1}” can\'t be used: it is no list'),
        ({"kwargs": "[1]"}, "kwargs", "“[1]” can't be used: it is no object"),
        ({"args": "[" * 5000}, "args", "can't be used"),
        ({"args": "[1]"}, "args", "missing a required argument: 'b'"),
        ({"args": "[1, 2, 3]"}, "args", "too many positional arguments"),
        ({"args": "", "kwargs": '{"a": 1}'}, "kwargs", "missing a required argument: 'b'"),
        ({"kwargs": '{"b": 2}'}, "args", "multiple values for argument 'b'"),
        ({"args": "[1, NaN]"}, "args", "positional argument 2 is nan"),
        ({"queue": "a b"}, "queue", "Queue name 'a b': use 1 to 64 letters"),
        ({"priority": "101"}, "priority", "101 is no priority: use −100 to 100"),
        ({"priority": "x"}, "priority", "Enter a whole number."),
        ({"cron": "61 * * * *"}, "cron", "cron='61 * * * *' has a wrong minute. Give five fields"),
        ({"cron": "0 0 0 * * *"}, "cron", "cron='0 0 0 * * *' has not five fields"),
        ({"cron": ""}, "cron", "Say when: give cron, such as “0 3 * * *”, or an interval."),
        ({"every_seconds_number": "5"}, "cron", "Give either cron or an interval, not both."),
        ({"timezone": "Europe/Bonn"}, "timezone", "timezone='Europe/Bonn': there is no such"),
        (EVERY | {"every_seconds_number": "x"}, "every_seconds", "Enter a number."),
        (EVERY | {"every_seconds_number": "0"}, "every_seconds", "give 1 second to 10 years"),
        (EVERY | {"every_seconds_number": "-1"}, "every_seconds", "give 1 second to 10 years"),
        (EVERY | {"every_seconds_unit": "7"}, "every_seconds", "7 is not one of the available"),
        (EVERY | {"timezone": "Europe/Berlin"}, "timezone", "an interval is the same in all zones"),
        ({"start_0": "soon", "start_1": "0:00"}, "start", "Enter a valid date."),
        (
            {"start_0": "2027-01-02", "start_1": "0:00", "end_0": "2027-01-01", "end_1": "0:00"},
            "end",
            "start=2027-01-02T00:00:00-06:00 is not before end=2027-01-01T00:00:00-06:00",
        ),
        ({"catch_up": "some"}, "catch_up", "some is not one of the available choices"),
        ({"catch_up_max": "0"}, "catch_up_max", "catch_up_max=0: give 1 to 1000."),
        ({"catch_up_max": "1001"}, "catch_up_max", "catch_up_max=1001: give 1 to 1000."),
        ({"overlap": "wait"}, "overlap", "wait is not one of the available choices"),
    ],
)
def test_what_can_not_be_is_told_at_its_field(
    admin_client: Client, given: dict[str, str], field: str, says: str
) -> None:
    """And nothing is stored. The text that is wrong stands in the message or in the field."""
    row_of("taken")
    schedule("in-code", noop, every=60)
    response = admin_client.post(NEW, FORM | given)
    assert list(errors(response)) == [field]
    text = " ".join(errors(response)[field])
    assert says in text
    assert escape(text) in response.content.decode()
    assert Schedule.objects.count() == 1


def test_all_that_is_wrong_is_told_at_once(admin_client: Client) -> None:
    given = {"name": "a b", "args": "x", "cron": "x", "timezone": "x", "priority": "1000"}
    told = errors(admin_client.post(NEW, FORM | given))
    assert set(told) == {"name", "args", "cron", "timezone", "priority"}


def test_the_next_fires_are_shown_and_nothing_is_stored(admin_client: Client) -> None:
    """In the schedule's own hours, with the offset: the night of 28 March has no 2:30."""
    form = FORM | {"start_0": "2027-03-26", "start_1": "12:00:00", "_preview": "1"}
    response = admin_client.post(NEW, form)
    assert errors(response) == {}
    assert "As the form says; nothing is stored yet." in response.content.decode()
    assert "Please correct" not in response.content.decode()
    assert [(fire.local, fire.offset, fire.utc) for fire in response.context["fires"]] == [
        ("Sat 2027-03-27 02:30:00", "UTC+01:00", "2027-03-27 01:30:00"),
        ("Sun 2027-03-28 03:00:00", "UTC+02:00", "2027-03-28 01:00:00"),
        ("Mon 2027-03-29 02:30:00", "UTC+02:00", "2027-03-29 00:30:00"),
        ("Tue 2027-03-30 02:30:00", "UTC+02:00", "2027-03-30 00:30:00"),
        ("Wed 2027-03-31 02:30:00", "UTC+02:00", "2027-03-31 00:30:00"),
    ]
    assert not Schedule.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_preview_of_nonsense_tells_what_is_wrong(admin_client: Client) -> None:
    response = admin_client.post(NEW, FORM | {"cron": "x", "_preview": "1"})
    assert set(errors(response)) == {"cron"}
    assert "fires" not in response.context


def test_a_preview_of_a_change_stores_nothing(admin_client: Client) -> None:
    row = row_of("sum")
    form = FORM | {"cron": "0 12 * * *", "_preview": "1"}
    response = admin_client.post(change_page(row), form)
    assert response.context["fires"][0].local.endswith("12:00:00")
    assert Schedule.objects.get().every_seconds == 60


def test_a_schedule_that_is_over_has_no_next_fire(admin_client: Client) -> None:
    form = FORM | {"end_0": "2020-01-01", "end_1": "0:00", "_preview": "1"}
    assert "There is none: its end is before" in admin_client.post(NEW, form).content.decode()


def test_the_page_shows_the_next_fires_and_what_was_so_far(
    admin_client: Client, engine: Engine
) -> None:
    row = row_of("sum", every_seconds=3600)
    (entry,) = current("default").specs
    rule = entry.rule
    engine.schedules.register("test", {"sum": rule})
    nominal = 4_000_000_000_000
    job = fire(engine, entry, nominal)
    assert fire(engine, entry, nominal + 1) is None
    response = admin_client.get(change_page(row))
    text = response.content.decode()
    assert len(response.context["fires"]) == 5
    assert page_of("job", job.id) in text
    assert "1 overlapped" in text
    assert "seen" not in " ".join(admin_client.get(SCHEDULES).context["notes"])  # it just was


def test_the_job_says_which_schedule_stored_it_and_for_when(
    admin_client: Client, engine: Engine
) -> None:
    row = row_of("sum")
    (entry,) = current("default").specs
    nominal = to_ms(datetime(2027, 3, 28, 1, tzinfo=UTC))
    engine.schedules.register("test", {"sum": entry.rule})
    job = fire(engine, entry, nominal)
    text = admin_client.get(page_of("job", job.id)).content.decode()
    assert f'<a href="{change_page(row)}">sum</a>' in text
    assert "March 27, 2027, 8 p.m." in text  # of the reader's zone
    admin_client.post(page_of("schedule", str(row.pk), "run"))
    (by_hand,) = [each for each in engine.inspector.page(State.QUEUED, 0, 9) if each.id != job.id]
    text = admin_client.get(page_of("job", by_hand.id)).content.decode()
    assert "run by hand" in text
    row.delete()
    text = admin_client.get(page_of("job", job.id)).content.decode()
    assert change_page(Schedule(pk=1)) not in text
    assert "sum" in text


def test_a_change_is_stored_and_logged(admin_client: Client) -> None:
    row = row_of("sum")
    form = shown(admin_client.get(change_page(row))) | {"args": "[3, 4]", "priority": "9"}
    assert admin_client.post(change_page(row), form).status_code == 302
    row.refresh_from_db()
    assert [row.args, row.priority, row.every_seconds] == [[3, 4], 9, 60]
    entry = LogEntry.objects.get()
    assert entry.action_flag == CHANGE
    assert "3" not in entry.get_change_message()  # the names of fields, not what they hold


def test_enabling_on_the_page_begins_anew(admin_client: Client) -> None:
    row = row_of("sum", enabled=False)
    assert row.enabled_since is None
    form = shown(admin_client.get(change_page(row))) | {"enabled": "on"}
    admin_client.post(change_page(row), form)
    row = Schedule.objects.get()
    assert row.enabled
    assert row.enabled_since is not None


def test_a_renamed_schedule_is_another_one(admin_client: Client, engine: Engine) -> None:
    row = row_of("sum")
    engine.schedules.register("test", {"sum": "rule"})
    form = shown(admin_client.get(change_page(row))) | {"name": "total"}
    admin_client.post(change_page(row), form)
    assert Schedule.objects.get().name == "total"
    assert engine.inspector.schedules.stats(["sum"]) == {}


def test_an_unknown_task_is_shown_and_can_not_be_stored(admin_client: Client) -> None:
    row = row_of("broken", task="shop.tasks.gone")
    response = admin_client.get(change_page(row))
    text = response.content.decode()
    assert '<option value="shop.tasks.gone" selected>' in text
    assert "There is no task &#x27;shop.tasks.gone&#x27;" in text
    answer = admin_client.post(change_page(row), shown(response))
    assert "There is no task 'shop.tasks.gone'" in errors(answer)["task"][0]


@pytest.mark.parametrize("alias", ["gone", "other"])
def test_an_alias_that_is_no_job_queue_is_told(
    admin_client: Client, settings: Any, alias: str
) -> None:
    row = row_of("sum", alias=alias)
    response = admin_client.get(change_page(row))
    assert response.status_code == 200
    assert "broken" in response.content.decode()


def test_the_choice_has_all_tasks_by_package(admin_client: Client) -> None:
    text = admin_client.get(NEW).content.decode()
    assert '<optgroup label="tests.project">' in text
    assert f'<option value="{ADD}">{ADD}</option>' in text
    assert '<option value="Europe/Berlin">' in text


def test_the_page_of_one_in_the_code_shows_its_definition(admin_client: Client) -> None:
    row = in_code(start=datetime(2027, 1, 1, 12, tzinfo=UTC))
    page = admin_client.get(change_page(row))
    form = shown(page)
    assert (form["task"], form["args"], form["cron"]) == (echo.module_path, '["x"]', "0 3 * * *")
    assert form["timezone"] == "UTC"
    assert (form["queue"], form["priority"]) == ("", "")
    assert form["from_code"]
    assert page.context["fires"][0].local == "Sat 2027-01-02 03:00:00"
    assert "name" not in form  # it can't be changed


def test_unchanged_it_stays_as_in_the_code(admin_client: Client) -> None:
    """Also what a form can't show exactly: its times have no fractions of a second."""
    row = in_code(start=datetime(2027, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC))
    form = shown(admin_client.get(change_page(row)))
    del form["enabled"]
    assert admin_client.post(change_page(row), form).status_code == 302
    row = Schedule.objects.get()
    assert (row.from_code, row.enabled, row.args, row.cron) == (True, False, [], "")


def test_a_change_while_as_in_the_code_is_refused(admin_client: Client) -> None:
    row = in_code()
    form = shown(admin_client.get(change_page(row))) | {"args": '["y"]', "cron": "0 4 * * *"}
    told = errors(admin_client.post(change_page(row), form))
    assert set(told) == {"args", "cron"}
    assert all("to define it here, untick “as in the code”" in text for (text,) in told.values())
    assert Schedule.objects.get().args == []


def test_it_is_overridden_and_goes_back(admin_client: Client) -> None:
    row = in_code()
    form = shown(admin_client.get(change_page(row))) | {"args": '["y"]'}
    del form["from_code"]
    assert admin_client.post(change_page(row), form).status_code == 302
    (entry,) = current("default").specs
    assert (entry.origin, entry.args, entry.name) == ("override", ["y"], "nightly")
    page = admin_client.get(change_page(row))
    assert "The code says: tests.project.tasks.echo" in page.content.decode()
    form = shown(page) | {"from_code": "on"}
    assert admin_client.post(change_page(row), form).status_code == 302
    (entry,) = current("default").specs
    assert (entry.origin, entry.args) == ("code", ["x"])
    assert Schedule.objects.get().args == []


def test_one_that_was_overridden_does_not_fire_under_both_names(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code gives it another name; what was said of the old one fires nothing beside it."""
    row = in_code()
    form = shown(admin_client.get(change_page(row)))
    del form["from_code"]
    assert admin_client.post(change_page(row), form).status_code == 302
    monkeypatch.setattr(spec, "_declared", {})
    schedule("nightly-report", echo, args=["x"], cron="0 3 * * *", timezone="UTC")
    assert [found.name for found in current("default").specs] == ["nightly-report"]
    page = admin_client.get(change_page(row))
    assert "overrides what the code that runs here declares no more" in page.content.decode()
    form = shown(page)
    assert admin_client.post(change_page(row), form).status_code == 302  # it is taken over
    origins = {found.name: found.origin for found in current("default").specs}
    assert origins == {"nightly": "database", "nightly-report": "code"}


def test_the_name_of_one_in_the_code_stays(admin_client: Client) -> None:
    row = in_code()
    form = shown(admin_client.get(change_page(row))) | {"name": "other"}
    admin_client.post(change_page(row), form)
    assert Schedule.objects.get().name == "nightly"


def test_one_that_is_gone_from_the_code_can_be_taken_over(admin_client: Client) -> None:
    row = row_of("old", from_code=True, every_seconds=None, task=ADD, args=[])
    page = admin_client.get(change_page(row))
    assert "The code that runs here declares it no more" in page.content.decode()
    form = shown(page)
    del form["from_code"]
    told = errors(admin_client.post(change_page(row), form))
    assert set(told) == {"args", "cron"}  # the page stands, with the same fields
    form |= {"args": "[1, 2]", "cron": "@daily"}
    assert admin_client.post(change_page(row), form).status_code == 302
    assert current("default").specs[0].origin == "database"


def test_one_that_is_gone_can_be_disabled(admin_client: Client) -> None:
    row = row_of("old", from_code=True, every_seconds=None, task="shop.tasks.bye", args=[])
    form = shown(admin_client.get(change_page(row)))
    del form["enabled"]
    assert admin_client.post(change_page(row), form).status_code == 302
    assert not Schedule.objects.get().enabled


def view(client: Client, row: Schedule) -> str:
    response = client.get(change_page(row))
    assert response.status_code == 200
    text = response.content.decode()
    assert 'name="_save"' not in text
    assert 'name="_preview"' not in text
    return text


def secret_row() -> Schedule:
    call = {"user": "anna", "api_key": "abcdef-12345"}
    return row_of("sync", task=echo.module_path, args=[], kwargs=call)


def test_who_may_only_look_sees_no_arguments(staff: Any) -> None:
    text = view(staff("view_schedule"), secret_row())
    assert "You need the permission to see arguments and results." in text
    assert (
        "anna"
        not in re.sub(r"(?s)<div id=.header.>.*?</div>\s*</div>", "", text).split("Call</h2>")[1]
    )
    assert "abcdef-12345" not in text
    assert "Every minute" in text


def test_secrets_take_a_permission_of_their_own(staff: Any) -> None:
    row = secret_row()
    text = view(staff("view_schedule", "view_payload"), row)
    assert "anna" in text
    assert HIDDEN in text
    assert "abcdef-12345" not in text


def test_with_that_permission_all_is_shown(staff: Any) -> None:
    text = view(staff("view_schedule", "view_payload", "view_sensitive"), secret_row())
    assert "abcdef-12345" in text


def test_who_may_only_look_sees_also_what_is_of_the_code_or_broken(
    staff: Any, engine: Engine
) -> None:
    client = staff("view_schedule", "view_payload")
    row = in_code(catch_up="all", catch_up_max=7, overlap="skip")
    text = view(client, row)
    assert "all, up to a number: 7" in text
    assert "skip this time" in text
    assert "&quot;x&quot;" in text or HIDDEN in text
    broken = view(client, row_of("broken", task="shop.tasks.gone", kwargs={"token": "geheim"}))
    assert "There is no task" in broken
    assert "geheim" not in broken


def test_a_row_that_is_gone_leads_to_the_list(admin_client: Client) -> None:
    response = admin_client.get(page_of("schedule", "4711"), follow=True)
    assert "doesn’t exist" in said(response)[0]
    assert new_id() not in response.content.decode()


@pytest.mark.parametrize("field", ["start", "end"])
@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_times_at_the_ends_of_the_calendar_are_refused(
    admin_client: Client, settings: Any, field: str, day: str
) -> None:
    """In some zone they are beyond it, and the page would break."""
    settings.TIME_ZONE = "America/New_York" if day > "1" else "Asia/Tokyo"
    form = FORM | {f"{field}_0": day, f"{field}_1": "23:59:59"}
    (text,) = errors(admin_client.post(NEW, form))[field]
    assert day in text
    assert "give a year from 1900 to 9000, or leave it empty" in text


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (r'["\ud800"]', "surrogates not allowed"),
        (r'["a\u0000b"]', "a text in it has the character"),
        (f'["{"x" * 70_000}"]', "70004 bytes as JSON, more than the 65536 allowed"),
    ],
    ids=["half-a-character", "null", "too-long"],
)
def test_arguments_that_no_job_or_database_can_hold(
    admin_client: Client, args: str, says: str
) -> None:
    form = FORM | {"task": echo.module_path, "args": args}
    (text,) = errors(admin_client.post(NEW, form))["args"]
    assert says in text


def test_a_backslash_before_u0000_is_a_text(admin_client: Client) -> None:
    form = FORM | {"task": echo.module_path, "args": r'["\\u0000"]'}
    assert admin_client.post(NEW, form).status_code == 302
    assert Schedule.objects.get().args == [r"\u0000"]


def test_a_row_with_half_a_character_is_shown_and_broken(admin_client: Client) -> None:
    """It was not made here; its page opens, so that it can be mended."""
    row = row_of("half", task=echo.module_path, args=["\ud800"])
    text = admin_client.get(change_page(row)).content.decode()
    assert r"\ud800" in text
    assert "text that is not valid Unicode" in text
    assert current("default").specs == ()
