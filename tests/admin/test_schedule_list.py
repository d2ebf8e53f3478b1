"""The list of schedules: what it says of each, who may do what, and what is said of it."""

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.test import Client

from django_jobqueue import compat, schedule
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Schedule
from django_jobqueue.schedules.stored import enter_declared
from tests.admin.hostile import EVIL, assert_harmless
from tests.project.tasks import add, echo, noop
from tests.support.pages import SCHEDULES, offered, page_of, said
from tests.support.schedule_rows import ADD, row_of

pytestmark = pytest.mark.usefixtures("declarations", "engine")

MINUTE = 60_000


def cells(response: Any, name: str) -> dict[str, str]:
    """Return what the list says of one schedule, by column."""
    assert response.status_code == 200
    shown = response.context["cl"]
    (row,) = [row for row in shown.result_list if row.name == name]
    columns = [column for column in shown.list_display if column != "action_checkbox"]
    admin = shown.model_admin
    return {
        column: str(getattr(admin, column)(row) if hasattr(admin, column) else getattr(row, column))
        for column in columns
    }


def act(client: Client, action: str, *rows: Schedule, **extra: Any) -> Any:
    chosen = [row.pk for row in rows]
    data = {"action": f"{action}_selected", "_selected_action": chosen, "index": 0} | extra
    return client.post(SCHEDULES, data, follow=True)


def test_it_shows_schedules_of_code_and_database(admin_client: Client) -> None:
    schedule("nightly", noop, cron="30 2 * * *", timezone="Europe/Berlin")
    enter_declared("default")
    row_of("sum", every_seconds=600)
    response = admin_client.get(SCHEDULES)
    nightly, here = cells(response, "nightly"), cells(response, "sum")
    assert "At 02:30 every day, Europe/Berlin" in nightly["words"]
    assert nightly["standing"] == "in the code"
    assert "tests.project.tasks.noop" in nightly["task_name"]
    assert "in " in nightly["next_fire"]
    assert (here["words"], here["standing"], here["last_fire"]) == (
        "<bdi>Every 10 minutes</bdi>",
        "in the admin",
        "–",
    )
    assert "<bdi>Every 10 minutes</bdi>" in response.content.decode()


def test_a_schedule_of_the_code_without_a_row_is_named(admin_client: Client) -> None:
    """To look enters nothing; a scheduler and `migrate` do."""
    schedule("nightly", noop, every=60)
    schedule("weekly", noop, cron="0 3 * * 1")
    row_of("weekly")
    no_scheduler, note = admin_client.get(SCHEDULES).context["notes"]
    assert "No scheduler of “default” was ever seen" in no_scheduler
    assert note == (
        "Declared in the code, and not on this list yet: nightly. A scheduler enters them when it "
        "starts, and so does manage.py migrate."
    )
    enter_declared("default")
    response = admin_client.get(SCHEDULES)
    assert cells(response, "nightly")["standing"] == "in the code"
    assert response.context["notes"] == [no_scheduler]


def test_it_tells_overrides_and_what_is_gone_from_the_code(admin_client: Client) -> None:
    schedule("nightly", noop, every=60)
    row_of("nightly", every_seconds=600)
    row_of("old", task="shop.tasks.bye", from_code=True, every_seconds=None)
    response = admin_client.get(SCHEDULES)
    assert cells(response, "nightly")["standing"] == "in the admin, overrides the code"
    assert cells(response, "nightly")["words"] == "<bdi>Every 10 minutes</bdi>"
    old = cells(response, "old")
    assert (old["standing"], old["words"], old["next_fire"]) == ("no longer in the code", "–", "–")


def test_a_broken_one_says_why_beside_sound_ones(admin_client: Client) -> None:
    row_of("broken", task="shop.tasks.gone")
    row_of("sound")
    response = admin_client.get(SCHEDULES)
    told = cells(response, "broken")["standing"]
    assert "broken" in told
    assert "There is no task &#x27;shop.tasks.gone&#x27;" in told
    assert cells(response, "sound")["standing"] == "in the admin"


def test_a_disabled_one_has_no_next_fire(admin_client: Client) -> None:
    row_of("resting", enabled=False)
    assert cells(admin_client.get(SCHEDULES), "resting")["next_fire"] == "–"


def test_a_page_without_a_scheduler_says_so(admin_client: Client) -> None:
    assert admin_client.get(SCHEDULES).context["notes"] == []  # nothing is to be fired
    row_of("resting", enabled=False)
    assert admin_client.get(SCHEDULES).context["notes"] == []
    row_of("sum")
    (note,) = admin_client.get(SCHEDULES).context["notes"]
    assert "No scheduler of “default” was ever seen" in note
    assert "manage.py jobscheduler" in note


def test_hostile_texts_are_shown_as_text(admin_client: Client) -> None:
    row = row_of("evil", task=EVIL, queue=EVIL[:60], cron=EVIL, every_seconds=None)
    assert_harmless(admin_client.get(SCHEDULES))
    assert_harmless(admin_client.get(page_of("schedule", str(row.pk))))
    row = row_of("evil-args", task="tests.project.tasks.echo", kwargs={EVIL: EVIL})
    assert_harmless(admin_client.get(page_of("schedule", str(row.pk))))


def test_enable_and_disable(admin_client: Client) -> None:
    rows = [row_of("one"), row_of("two"), row_of("three", enabled=False)]
    assert said(act(admin_client, "disable", *rows)) == ["2 schedules disabled."]
    assert not Schedule.objects.filter(enabled=True).exists()
    before = Schedule.objects.get(name="one").enabled_since
    assert said(act(admin_client, "enable", rows[0])) == ["1 schedule enabled."]
    row = Schedule.objects.get(name="one")
    assert row.enabled
    assert row.enabled_since is not None
    assert before is not None
    assert row.enabled_since > before
    assert said(act(admin_client, "enable", rows[0])) == ["0 schedules enabled."]
    entries = LogEntry.objects.filter(action_flag=CHANGE).order_by("pk")
    assert [entry.get_change_message() for entry in entries] == [
        "Disabled.",
        "Disabled.",
        "Enabled.",
    ]


def test_run_now_enqueues_one_job_outside_the_timetable(
    admin_client: Client, engine: Engine
) -> None:
    row = row_of("sum", queue="mail", priority=7, enabled=False)
    assert said(act(admin_client, "run", row)) == ["1 schedule is run now."]
    (job,) = engine.inspector.page(State.QUEUED, 0, 10)
    assert (job.task, job.queue, job.priority, job.schedule) == (ADD, "mail", 7, "sum")
    assert job.nominal_at is None
    (entry,) = LogEntry.objects.all()
    assert (entry.object_id, entry.get_change_message()) == (str(row.pk), "Run now.")


def test_run_now_says_why_it_does_not(admin_client: Client, engine: Engine) -> None:
    rows = [
        row_of("broken", task="shop.tasks.gone"),
        row_of("old", from_code=True, every_seconds=None),
        row_of("sound"),
    ]
    broken, old, done = said(act(admin_client, "run", *rows))
    assert broken.startswith("“broken” was not run: There is no task 'shop.tasks.gone'")
    assert old == "“old” was not run: it is gone from the code."
    assert done == "1 schedule is run now."
    assert engine.inspector.count(State.QUEUED) == 1


def test_what_its_alias_refuses_is_not_run(
    admin_client: Client, engine: Engine, settings: Any
) -> None:
    row = row_of("sum", alias="here")
    backends = compat.BaseTaskBackend.__module__.rpartition(".")[0]
    immediate = {"BACKEND": f"{backends}.immediate.ImmediateBackend"}
    settings.TASKS = settings.TASKS | {"here": immediate}
    assert said(act(admin_client, "run", row))[0].endswith("TASKS[“here”] is no JobQueueBackend.")
    schedule("mail", noop.using(queue_name="mail"), every=60)
    settings.TASKS = {"default": settings.TASKS["default"] | {"QUEUES": ["default"]}}
    enter_declared("default")
    (text, *_) = said(act(admin_client, "run", Schedule.objects.get(name="mail")))
    assert text.startswith("“mail” was not run")
    assert engine.inspector.count(State.QUEUED) == 0


def test_the_button_runs_one_now(staff: Any, engine: Engine) -> None:
    row = row_of("sum")
    client = staff("view_schedule", "run_schedule")
    url = page_of("schedule", str(row.pk), "run")
    assert f'action="{url}"' in client.get(page_of("schedule", str(row.pk))).content.decode()
    assert client.get(url).status_code == 405
    assert said(client.post(url, follow=True)) == ["1 schedule is run now."]
    assert engine.inspector.count(State.QUEUED) == 1
    gone = client.post(page_of("schedule", "4711", "run"), follow=True)
    assert "The schedule is gone." in said(gone)


@pytest.mark.parametrize(
    ("has", "actions"),
    [
        (("view_schedule",), []),
        (("view_schedule", "run_schedule"), ["run_selected"]),
        (("view_schedule", "change_schedule"), ["enable_selected", "disable_selected"]),
        (("view_schedule", "delete_schedule"), ["delete_selected"]),
    ],
)
def test_each_action_has_its_permission(
    staff: Any, engine: Engine, has: tuple[str, ...], actions: list[str]
) -> None:
    row = row_of("sum")
    client = staff(*has)
    assert offered(client.get(SCHEDULES)) == actions
    for action in {"enable", "disable", "run", "delete"} - {a.split("_")[0] for a in actions}:
        act(client, action, row, post="yes")
    assert Schedule.objects.get().enabled
    assert engine.inspector.count(State.QUEUED) == 0
    if "run_schedule" not in has:
        assert client.post(page_of("schedule", str(row.pk), "run")).status_code == 403
    if "change_schedule" not in has:
        assert client.post(page_of("schedule", str(row.pk)), {"name": "x"}).status_code == 403
    if "delete_schedule" not in has:
        assert client.post(page_of("schedule", str(row.pk), "delete")).status_code == 403
    assert client.get(f"{SCHEDULES}add/").status_code == 403


def test_running_needs_the_permission_to_view_too(staff: Any, engine: Engine) -> None:
    row = row_of("sum")
    assert staff("run_schedule").post(page_of("schedule", str(row.pk), "run")).status_code == 403


def test_what_stands_in_the_code_is_not_deleted(admin_client: Client) -> None:
    """It would come back with the next scheduler."""
    schedule("nightly", noop, every=60)
    enter_declared("default")
    nightly, here = Schedule.objects.get(), row_of("sum")
    (text,) = said(act(admin_client, "delete", nightly, here, post="yes"))
    assert "Nothing was deleted: the code declares nightly" in text
    assert "Disable it instead." in text
    assert Schedule.objects.count() == 2
    url = page_of("schedule", str(nightly.pk), "delete")
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    page = admin_client.get(page_of("schedule", str(nightly.pk))).content.decode()
    assert url not in page


def test_others_are_deleted_and_forgotten(admin_client: Client, engine: Engine) -> None:
    here, old = row_of("sum"), row_of("old", from_code=True, every_seconds=None)
    act(admin_client, "run", here)
    assert "sum" in engine.inspector.schedules.stats(["sum"])
    confirm = act(admin_client, "delete", here, old)
    assert "Are you sure" in confirm.content.decode()
    act(admin_client, "delete", old, post="yes")
    admin_client.post(page_of("schedule", str(here.pk), "delete"), {"post": "yes"})
    assert not Schedule.objects.exists()
    assert engine.inspector.schedules.stats(["sum"]) == {}
    assert LogEntry.objects.filter(action_flag=DELETION).count() == 2


def test_the_list_is_searched(admin_client: Client) -> None:
    row_of("sum")
    row_of("echo", task="tests.project.tasks.echo")
    for query, found in (("sum", ["sum"]), ("tasks.echo", ["echo"]), ("nothing", [])):
        shown = admin_client.get(SCHEDULES, {"q": query}).context["cl"].result_list
        assert [row.name for row in shown] == found


def test_with_two_aliases_each_has_its_own(admin_client: Client, settings: Any) -> None:
    settings.TASKS = settings.TASKS | {"archive": settings.TASKS["default"]}
    schedule("nightly", noop.using(backend="archive"), every=60)
    assert "“archive”" in admin_client.get(SCHEDULES).context["notes"][0]
    enter_declared("archive")
    response = admin_client.get(SCHEDULES)
    assert cells(response, "nightly")["alias"] == "archive"
    assert "“archive”" in response.context["notes"][0]


def test_there_is_no_query_for_each_row(
    admin_client: Client, django_assert_num_queries: Any, engine: Engine
) -> None:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    row_of("first")
    with CaptureQueriesContext(connection) as few:
        admin_client.get(SCHEDULES)
    for number in range(20):
        row_of(f"other-{number}")
    with django_assert_num_queries(len(few)):
        admin_client.get(SCHEDULES)


def test_definitions_of_code_are_read_from_the_code(admin_client: Client) -> None:
    """A row as in the code has nothing of its own that could be old."""
    schedule("nightly", add, args=[1, 2], every=60)
    Schedule.objects.create(name="nightly", from_code=True, task="shop.tasks.before")
    assert ADD in cells(admin_client.get(SCHEDULES), "nightly")["task_name"]
    assert echo.module_path != ADD


def test_a_damaged_record_is_shown_as_far_as_it_can_be(
    admin_client: Client, engine: Engine
) -> None:
    """Who can write to Redis can't take the page down."""
    row = row_of("sum")
    engine.schedules.register("test", {"sum": "rule"})
    words = {"fired_at": "9" * 16, "nominal": "x", "missed": "²", "overlapped": "-1", "job": EVIL}
    engine.client.redis.hset(engine.client.keys("schedule", "sum"), mapping=dict(words.items()))
    response = admin_client.get(SCHEDULES)
    assert cells(response, "sum")["not_fired"] == "–"
    assert_harmless_page(response)
    assert_harmless_page(admin_client.get(page_of("schedule", str(row.pk))))


def assert_harmless_page(response: Any) -> None:
    assert response.status_code == 200
    assert "<img src=x" not in response.content.decode()
