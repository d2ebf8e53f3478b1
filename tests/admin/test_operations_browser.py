"""Each operation of the admin in a real browser, as an operator does it, with what it leads to."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.requests import submit
from django_jobqueue.testing import drain
from tests.admin.conftest import Seed
from tests.project import asked_tasks
from tests.support.browser import choose
from tests.support.jobs import fill
from tests.support.pages import FAILURES, JOBS, QUEUES, SCHEDULES, WORKERS, page_of

pytestmark = pytest.mark.e2e

REQUESTS = "/admin/django_jobqueue_requests/jobrequest/"
OVERVIEW = "/admin/django_jobqueue/"


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
        page.locator(".jobqueue-question").get_by_text(decide).click()
    page.get_by_text(f"1 worker {done}.").wait_for()


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
        ("manage_workers", {"Quiet", "Stop", "Show stacks"}),
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
    assert page.locator("html").get_attribute("lang") == "de"
    hidden = "e => e.closest('.results').scrollWidth - e.closest('.results').clientWidth"
    for url in (JOBS, QUEUES, WORKERS, SCHEDULES):
        page.goto(url)
        assert page.locator("#result_list").evaluate(hidden) == 0, url
    for url, table in ((f"{JOBS}tasks/", ".jobqueue-table"), (OVERVIEW, ".jobqueue-queues")):
        page.goto(url)
        cut = page.locator(table).evaluate("e => e.scrollWidth - e.clientWidth")
        assert cut == 0, url
