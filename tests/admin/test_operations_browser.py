"""Each operation of the admin in a real browser, as an operator does it, with what it leads to."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission, User
from django.test import RequestFactory

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.requests import submit
from django_jobqueue.testing import drain
from tests.admin.conftest import Seed
from tests.project import asked_tasks, run_tasks
from tests.support.browser import browser_of
from tests.support.jobs import fill
from tests.support.pages import FAILURES, JOBS, QUEUES, SCHEDULES, WORKERS, page_of
from tests.support.places import FAILED, claimed, finish
from tests.support.schedule_rows import row_of

pytestmark = pytest.mark.e2e

OWN = "django_jobqueue"
REQUESTS = "/admin/django_jobqueue_requests/jobrequest/"
OVERVIEW = "/admin/django_jobqueue/"
LATER = 4_000_000_000_000


@pytest.fixture
def people(transactional_db: None, admin_user: User) -> None:
    """Who may look at everything, and who may do one thing more; made before the browser starts."""
    all_of_them = Permission.objects.filter(content_type__app_label=OWN)
    looks = all_of_them.filter(codename__startswith="view_").exclude(codename="view_sensitive")
    for more in ("", "requeue_job", "cancel_job", "pause_queue", "manage_workers", "run_schedule"):
        user = User.objects.create_user(more or "viewer", password="password", is_staff=True)
        user.user_permissions.set(looks | all_of_them.filter(codename=more))


@pytest.fixture
def visit(live_server: Any, people: None) -> Iterator[Callable[..., Any]]:
    """Open a page of the admin as one of the people; complaints of the console fail the test."""
    with browser_of(live_server.url) as browser:

        def start(url: str, name: str = "admin", **given: Any) -> Any:
            page = browser.page(**given)
            page.goto(f"/admin/login/?next={quote(url)}")
            page.fill("input[name=username]", name)
            page.fill("input[name=password]", "password")
            page.click("input[type=submit]")
            page.locator("#content").wait_for()
            return page

        yield start


def choose(page: Any, action: str, *, rows: int = 0) -> None:
    """Choose an action for the first rows of a list, or for all that match."""
    for number in range(rows):
        page.locator("input.action-select").nth(number).check()
    if not rows:
        page.check("#action-toggle")
        page.get_by_text("Select all").click()
    page.select_option("select[name=action]", action)
    page.click("button[name=index]")


def answer(page: Any) -> None:
    page.locator("form.jobqueue-question input[type=submit]").click()


def test_selected_jobs_run_now(visit: Callable[..., Any], engine: Engine, seed: Seed) -> None:
    made = [seed.scheduled() for _ in range(3)]
    page = visit(f"{JOBS}?state=scheduled")
    choose(page, "run_now_selected", rows=2)
    page.get_by_text("2 jobs are run now.").wait_for()
    assert engine.inspector.count(State.SCHEDULED) == len(made) - 2


def test_selected_jobs_are_moved_to_a_queue_that_is_offered(
    visit: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    """A wrong name is refused, and what was chosen stays; any other name may be typed."""
    seed.queued(), seed.queued(), seed.queued(queue="mail")
    page = visit(f"{JOBS}?queue=default")
    choose(page, "move_selected", rows=2)
    page.get_by_role("button", name="Move to another queue").wait_for()
    offered = page.locator("datalist option").evaluate_all("found => found.map(e => e.value)")
    assert {"default", "mail"} <= set(offered)
    assert page.get_by_label("Queue").get_attribute("list") == "jobqueue-known"
    page.get_by_label("Queue").fill("not a name")
    answer(page)
    page.get_by_text("A queue can't be named").wait_for()
    page.get_by_label("Queue").fill("mail")
    answer(page)
    page.get_by_text("2 jobs moved.").wait_for()
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 3


def test_selected_jobs_get_another_priority(
    visit: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    made = [seed.queued() for _ in range(2)]
    page = visit(JOBS)
    choose(page, "prioritize_selected", rows=2)
    page.get_by_label("Priority").fill("7")
    answer(page)
    page.get_by_text("The priority of 2 jobs was changed.").wait_for()
    assert {engine.inspector.job(one).priority for one in made} == {7}


def test_selected_jobs_are_deleted_after_a_question(
    visit: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    for _ in range(3):
        seed.succeeded()
    page = visit(JOBS)
    choose(page, "delete_selected", rows=2)
    page.get_by_text("Are you sure you want to delete the selected jobs?").wait_for()
    assert engine.inspector.count(State.SUCCEEDED) == 3
    page.get_by_role("button", name="Yes, I’m sure").click()
    page.get_by_text("2 jobs deleted.").wait_for()
    assert engine.inspector.count(State.SUCCEEDED) == 1


@pytest.mark.parametrize("rows", [2, 0])
def test_jobs_are_exported(
    visit: Callable[..., Any], engine: Engine, tmp_path: Path, rows: int
) -> None:
    """Two that are selected, or all that match."""
    many = len(fill(engine, 120, "mail"))
    page = visit(f"{JOBS}?queue=mail")
    files = {}
    for form in ("csv", "json"):
        with page.expect_download() as found:
            choose(page, f"export_{form}", rows=rows)
        assert found.value.suggested_filename == f"jobs.{form}"
        found.value.save_as(tmp_path / form)
        files[form] = (tmp_path / form).read_text()
        page.reload()
    assert len(list(csv.DictReader(files["csv"].splitlines()))) == (rows or many)
    assert len(json.loads(files["json"])) == (rows or many)


def test_all_that_match_run_now(visit: Callable[..., Any], engine: Engine, seed: Seed) -> None:
    for _ in range(101):
        seed.scheduled(queue="mail")
    page = visit(f"{JOBS}?state=scheduled")
    choose(page, "run_now_selected")
    page.get_by_text("101 jobs match.").wait_for()
    answer(page)
    page.get_by_text("A job does this in the background.").wait_for()
    drain(queues=["default"])
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 101


@pytest.mark.parametrize(
    ("action", "field", "value"), [("move", "Queue", "b"), ("prioritize", "Priority", "9")]
)
def test_all_that_match_are_moved_or_reordered(
    visit: Callable[..., Any], engine: Engine, action: str, field: str, value: str
) -> None:
    """The form tells how many these are, and by which filters they were chosen."""
    made = fill(engine, 120, "mail")
    page = visit(f"{JOBS}?queue=mail&state=queued")
    choose(page, f"{action}_selected")
    page.get_by_text("Selected jobs: 120.").wait_for()
    assert page.locator(".jobqueue-facts").inner_text().split() == [
        "State",
        "queued",
        "Queue",
        "mail",
    ]
    page.get_by_label(field).fill(value)
    answer(page)
    page.get_by_text("A job does this in the background.").wait_for()
    drain(queues=["default"])
    changed = [engine.inspector.job(one) for one in made]
    assert {job.queue if action == "move" else str(job.priority) for job in changed} == {value}


def test_all_that_match_are_requeued_over_some_time_and_deleted(
    visit: Callable[..., Any], engine: Engine
) -> None:
    """Several jobs do that then: their list is shown, and said so."""
    for one in fill(engine, 120, "mail"):
        engine.jobs.cancel(one)
    page = visit(f"{JOBS}?state=cancelled")
    choose(page, "requeue_selected")
    page.get_by_label("When").select_option(label="over the next 10 minutes")
    answer(page)
    page.get_by_text("These jobs do this in the background").wait_for()
    assert page.locator("#result_list tbody tr").count() > 1
    page.goto(f"{JOBS}?queue=mail")
    choose(page, "delete_selected")
    answer(page)
    page.get_by_text("A job does this in the background.").wait_for()
    drain(queues=["default"])
    assert engine.inspector.queue_stats(["mail"])[0].counts[State.CANCELLED] == 0


def test_a_group_of_failures_is_deleted(
    visit: Callable[..., Any], engine: Engine, slot: Slot
) -> None:
    for _ in fill(engine, 3, "mail"):
        finish(engine, slot, claimed(engine, slot, "mail"), FAILED)
    page = visit(FAILURES)
    page.get_by_role("button", name="Delete all of them").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    page.get_by_text("3 jobs deleted.").wait_for()
    assert engine.inspector.count(State.FAILED) == 0


def test_a_queue_is_paused_resumed_and_emptied(visit: Callable[..., Any], engine: Engine) -> None:
    """From the list and from its page; who does not want to empty it is led back there."""
    fill(engine, 5, "mail")
    page = visit(QUEUES)
    mail = page.locator("#result_list tr", has=page.get_by_role("link", name="mail", exact=True))
    mail.locator("input.action-select").check()
    page.select_option("select[name=action]", "pause_selected")
    page.click("button[name=index]")
    page.get_by_text("1 queue paused.").wait_for()
    page.get_by_role("link", name="mail", exact=True).click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("1 queue resumed.").wait_for()
    page.get_by_role("button", name="Empty").click()
    page.get_by_role("link", name="No, take me back").click()
    page.wait_for_url(f"**{page_of('queue', 'mail')}")
    page.goto(QUEUES)
    mail.locator("input.action-select").check()
    page.select_option("select[name=action]", "empty_selected")
    page.click("button[name=index]")
    page.get_by_role("link", name="No, take me back").click()
    page.wait_for_url(f"**{QUEUES}")
    mail.locator("input.action-select").check()
    page.select_option("select[name=action]", "empty_selected")
    page.click("button[name=index]")
    page.get_by_role("button", name="Yes, empty them").click()
    page.get_by_text("A job does this in the background.").wait_for()
    drain(queues=["default"])
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 0


def test_the_list_of_workers_names_what_they_run(
    visit: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    job = seed.running()
    worker = engine.inspector.job(job).worker
    engine.leases.renew(worker, {"host": "mill", "pid": 7})
    page = visit(WORKERS)
    page.locator("td.field-running").get_by_role("link", name="project.tasks.noop").click()
    page.wait_for_url(f"**{page_of('job', job)}")


@pytest.mark.parametrize(
    ("action", "done"), [("quiet", "was told to be quiet"), ("stop", "was told to stop")]
)
def test_a_worker_is_told_something(
    visit: Callable[..., Any], engine: Engine, action: str, done: str
) -> None:
    """From the list, after a question whose way back is the list."""
    engine.leases.renew("worker-1", {"host": "mill", "pid": 7})
    page = visit(WORKERS)
    for decide in ("No, take me back", "Yes, tell them"):
        choose(page, f"{action}_selected", rows=1)
        assert "/" not in page.locator(".breadcrumbs").inner_text()
        page.locator(".jobqueue-question").get_by_text(decide).or_(
            page.get_by_role("button", name=decide)
        ).first.click()
    page.get_by_text(f"1 worker {done}.").wait_for()


@pytest.fixture
def schedule(transactional_db: None) -> str:
    return str(row_of("sum").pk)


def test_a_schedule_is_disabled_enabled_edited_and_deleted(
    schedule: str, visit: Callable[..., Any], engine: Engine
) -> None:
    page = visit(SCHEDULES)
    for action, done in (("disable", "disabled"), ("enable", "enabled"), ("run", "is run now")):
        choose(page, f"{action}_selected", rows=1)
        page.get_by_text(f"1 schedule {done}.").wait_for()
    page.get_by_role("link", name="sum", exact=True).first.click()
    page.get_by_label("number").fill("5")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("was changed successfully").wait_for()
    page.locator("#result_list").get_by_role("link", name="sum", exact=True).click()
    page.get_by_role("link", name="History").click()
    for text in ("Disabled.", "Enabled.", "Run now.", "Changed"):
        page.locator("#change-history").get_by_text(text).first.wait_for()
    page.goto(page_of("schedule", schedule, "delete"))
    page.get_by_role("button", name="Yes, I’m sure").click()
    page.get_by_text("was deleted successfully").wait_for()


def test_errors_after_a_look_at_the_fires_are_seen(visit: Callable[..., Any]) -> None:
    """The look leads to the end of the form; what is wrong afterwards stands at its begin."""
    page = visit(f"{SCHEDULES}add/")
    page.fill("#id_name", "not a name")
    page.select_option("#id_task", "tests.project.tasks.noop")
    page.get_by_label("number").fill("90")
    page.get_by_role("button", name="Show the next fires").click()
    page.locator("#next-fires").get_by_text("Please correct the errors above.").wait_for()
    assert page.url.endswith("#next-fires")
    page.get_by_role("button", name="Save", exact=True).click()
    error = page.locator(".field-name .errorlist")
    error.wait_for()
    page.wait_for_function("() => !location.hash && window.scrollY === 0")
    assert error.evaluate("e => e.getBoundingClientRect().top < window.innerHeight")


def test_a_text_of_several_lines_keeps_them(
    visit: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    """Also if another argument is edited, and when the job is run as a new one."""
    call: dict[str, Any] = {"args": [], "kwargs": {"name": "Ada\nBea\r\n Cy", "many": 3}}
    call["kwargs"] |= {"price": "1.5", "size": "s", "way": "post", "gift": True, "weight": 1.5}
    call["kwargs"] |= {"day": None, "at": None, "more": None, "password": "s3cret"}
    made = seed.failed(task=run_tasks.order.module_path, data=json.dumps(call).encode())
    page = visit(page_of("job", made, "edit"))
    page.get_by_label("many").fill("4")
    page.get_by_role("button", name="Save and requeue").click()
    page.get_by_text("Edited: many", exact=True).wait_for()
    page.get_by_role("link", name="Run as new").click()
    page.get_by_label("name:").press("Control+End")
    page.get_by_label("name:").type("\nDan")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("The job is enqueued.").wait_for()
    new = page.url.split("/")[-3]
    jobs = [engine.inspector.job(one) for one in (made, new)]
    for job in jobs:
        job.open(engine.signer)
    assert jobs[0].kwargs == call["kwargs"] | {"many": 4}
    assert [job.kwargs["name"] for job in jobs] == ["Ada\nBea\r\n Cy", "Ada\nBea\n Cy\nDan"]
    assert [job.kwargs["password"] for job in jobs] == ["s3cret", "s3cret"]


def test_one_job_is_moved_run_now_and_cancelled(
    visit: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    job = seed.scheduled(due=LATER)
    page = visit(page_of("job", job))
    page.get_by_role("link", name="Move").click()
    page.get_by_label("Queue").fill("mail")
    answer(page)
    page.get_by_text("1 job moved.").wait_for()
    page.get_by_role("button", name="Run now").click()
    page.get_by_text("1 job is run now.").wait_for()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_text("1 job cancelled.").wait_for()
    page.get_by_role("link", name="History").click()
    assert page.locator("#change-history tbody tr").count() == 3
    assert engine.inspector.job(job).queue == "mail"


@pytest.fixture
def asked(engine: Engine, people: None) -> None:
    """What a person has asked for: one request has failed, one is open."""
    request = RequestFactory().post("/")
    request.user = User.objects.get(username="viewer")
    submit(request, asked_tasks.break_down, "x", title="Broken report")
    drain()
    submit(request, asked_tasks.say, title="Open report")


def test_requests_are_tried_again_cancelled_and_told_again(
    asked: None, visit: Callable[..., Any]
) -> None:
    """On their pages, and several at once."""
    page = visit(REQUESTS)
    page.get_by_role("link", name="Broken report").click()
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("1 request is tried again.").wait_for()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_text("1 request is being cancelled.").wait_for()
    page.goto(REQUESTS)
    choose(page, "cancel_selected", rows=2)
    page.get_by_text("1 request is being cancelled.").wait_for()
    page.get_by_text("1 request had ended.").wait_for()
    choose(page, "retry_selected", rows=2)
    page.get_by_text("2 requests are tried again.").wait_for()
    choose(page, "resend_selected", rows=2)
    page.get_by_text("2 mails can’t be sent.").wait_for()  # they are open again
    page.get_by_role("link", name="Open report").click()
    page.get_by_role("link", name="History").click()
    for text in ("Cancelled.", "Tried again."):
        page.locator("#change-history").get_by_text(text).wait_for()


@pytest.mark.parametrize(
    ("name", "buttons"),
    [
        ("viewer", set()),
        ("requeue_job", {"Requeue", "Run now", "Requeue all of them"}),
        ("cancel_job", {"Cancel job"}),
        ("pause_queue", {"Pause"}),
        ("manage_workers", {"Quiet", "Stop", "Where are the slots?"}),
        ("run_schedule", {"Run now"}),
    ],
)
def test_a_person_sees_only_the_buttons_of_the_own_permissions(
    schedule: str,
    visit: Callable[..., Any],
    engine: Engine,
    seed: Seed,
    name: str,
    buttons: set[str],
) -> None:
    made = [seed.failed(), seed.scheduled(), seed.queued()]
    engine.leases.renew("worker-1", {"host": "mill", "pid": 7})
    pages = [page_of("job", one) for one in made]
    pages += [page_of("queue", "default"), page_of("worker", "worker-1")]
    pages += [page_of("schedule", schedule), FAILURES, JOBS, QUEUES, WORKERS, SCHEDULES]
    page, seen, offered = visit(JOBS, name), set(), set()
    for url in pages:
        page.goto(url)
        found = page.locator("#content :is(.jobqueue-button button, .object-tools a)")
        seen |= set(found.evaluate_all("found => found.map(e => e.textContent.trim())"))
        menu = page.locator("select[name=action] option[value]:not([value=''])")
        offered |= set(menu.evaluate_all("found => found.map(e => e.value)"))
    assert seen - {"History"} == buttons
    menus = {
        "requeue_job": {"requeue_selected", "run_now_selected"},
        "cancel_job": {"cancel_selected"},
        "pause_queue": {"pause_selected", "resume_selected"},
        "manage_workers": {"quiet_selected", "stop_selected"},
        "run_schedule": {"run_selected"},
    }
    assert offered == menus.get(name, set()) | {"export_csv", "export_json"}


@pytest.mark.parametrize("language", ["en-us", "de"])
def test_a_telephone_leads_from_the_top_of_the_jobs_to_the_filters(
    visit: Callable[..., Any], engine: Engine, settings: Any, language: str
) -> None:
    settings.LANGUAGE_CODE = language
    fill(engine, 100, "mail")
    page = visit(JOBS, viewport={"width": 400, "height": 800})
    link = page.locator(".jobqueue-to-filters a")
    assert link.bounding_box()["y"] < 400
    link.click()
    page.wait_for_function("""() => {
        const box = document.querySelector('#changelist-filter').getBoundingClientRect();
        return box.top > -2 && box.top < window.innerHeight }""")
    page.set_viewport_size({"width": 1280, "height": 800})
    link.wait_for(state="hidden")


@pytest.mark.parametrize("width", [1280, 400])
def test_all_columns_of_the_lists_are_in_sight_in_german(
    schedule: str,
    visit: Callable[..., Any],
    engine: Engine,
    seed: Seed,
    settings: Any,
    width: int,
) -> None:
    """Its words are long."""
    settings.LANGUAGE_CODE = "de"
    seed.failed(queue="mail")
    running = seed.running()
    seed.queued(queue="mail")
    engine.leases.renew(engine.inspector.job(running).worker, {"host": "mill", "pid": 7})
    page = visit(JOBS, viewport={"width": width, "height": 800})
    hidden = "e => e.closest('.results').scrollWidth - e.closest('.results').clientWidth"
    for url in (JOBS, QUEUES, WORKERS, SCHEDULES):
        page.goto(url)
        assert page.locator("#result_list").evaluate(hidden) == 0, url
    for url, table in ((f"{JOBS}tasks/", ".jobqueue-table"), (OVERVIEW, ".jobqueue-queues")):
        page.goto(url)
        cut = page.locator(table).evaluate("e => e.scrollWidth - e.clientWidth")
        assert cut == 0, url
