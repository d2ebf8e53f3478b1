"""The pages beside the lists in a real browser: used as a person does, and read by everybody."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.requests.models import JobRequest, MailState, RequestState
from django_jobqueue.testing import drain
from tests.admin.conftest import Seed
from tests.project import run_tasks
from tests.support.browser import Chromium, log_in, violations
from tests.support.flows import started
from tests.support.jobs import fill
from tests.support.pages import FAILURES, JOBS, TASKS, WORKERS, page_of
from tests.support.places import FAILED, claimed, finish
from tests.support.processes import until

pytestmark = pytest.mark.e2e

RUN = f"{JOBS}add/?task={run_tasks.order.module_path}"
CLOSED = run_tasks.closed.module_path
CALL = b'{"args":["Ada"],"kwargs":{}}'
SAID = "Traceback (most recent call last):\n  File x\nValueError: there is no sheet"


@pytest.fixture
def open_page(
    chromium: Chromium, live_server: Any, admin_user: Any
) -> Iterator[Callable[..., Any]]:
    """Open pages of the admin, logged in; complaints of the console fail the test."""
    with chromium.at(live_server.url) as browser:

        def start(scheme: str = "light", width: int = 1280) -> Any:
            page = browser.page(color_scheme=scheme, viewport={"width": width, "height": 900})
            log_in(page, "/admin/")
            return page

        yield start
        # Of axe itself, which the policy forbids to write its own styles.
        browser.complaints[:] = [
            one
            for one in browser.complaints
            if "inline style" not in one and "preload assets" not in one
        ]


def test_a_group_of_failures_is_requeued(
    open_page: Callable[..., Any], engine: Engine, slot: Slot
) -> None:
    """More than are changed at once: the page asks, and a job does it."""
    for _ in fill(engine, 120, "mail"):
        finish(engine, slot, claimed(engine, slot, "mail"), FAILED)
    page = open_page()
    page.goto(FAILURES)
    page.get_by_role("button", name="Requeue all of them").click()
    page.get_by_text("120 jobs match.").wait_for()
    page.get_by_role("button", name="Yes, all that match").click()
    page.get_by_text("A job does this in the background.").wait_for()
    drain(queues=["default"])
    page.reload()
    page.get_by_text('"changed": 120').wait_for()
    assert engine.inspector.count(State.QUEUED, ["mail"]) == 120


def select_all(page: Any, text: str) -> None:
    """Select the page, then all that match; a page that is shown again may come checked."""
    link = page.get_by_text(text)

    def is_offered() -> bool:
        page.uncheck("#action-toggle")
        page.check("#action-toggle")
        return bool(link.is_visible())

    until(is_offered)
    link.click()


def test_all_that_match_are_selected_and_cancelled(
    open_page: Callable[..., Any], engine: Engine
) -> None:
    """By the link that the admin offers once all of a page are selected."""
    fill(engine, 150, "mail")
    page = open_page("dark")
    page.goto(f"{JOBS}?state=queued")
    select_all(page, "Select all 150 jobs")
    page.select_option("select[name=action]", "cancel_selected")
    page.click("button[name=index]")
    with page.expect_event("load"):  # till then its scripts do not see what is checked
        page.get_by_role("link", name="No, take me back").click()
    assert engine.inspector.count(State.QUEUED) == 150
    select_all(page, "Select all 150 jobs")
    page.select_option("select[name=action]", "cancel_selected")
    page.click("button[name=index]")
    page.get_by_role("button", name="Yes, all that match").click()
    page.get_by_text("A job does this in the background.").wait_for()


def test_a_task_is_run_and_its_job_edited(
    open_page: Callable[..., Any], engine: Engine, seed: Seed
) -> None:
    failed = seed.failed(task=CLOSED, data=CALL)
    page = open_page()
    page.goto(JOBS)
    page.get_by_role("link", name="Add job").click()
    page.get_by_role("link", name=run_tasks.order.module_path).click()
    page.get_by_label("name:").fill("Zoë")
    page.get_by_label("many:").fill("3")
    page.get_by_label("price:").fill("1.50")
    page.get_by_label("day:").fill("2030-03-01")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("The job is enqueued.").wait_for()
    page.get_by_text('"day": "2030-03-01"').wait_for()
    page.goto(page_of("job", failed))
    page.get_by_role("link", name="Edit and requeue").click()
    page.get_by_label("name:").fill("Bea")
    page.get_by_role("button", name="Save and requeue").click()
    page.get_by_text("Edited: name").wait_for()
    assert engine.inspector.job(failed).state is State.QUEUED


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_everybody_can_read_the_pages(
    open_page: Callable[..., Any], engine: Engine, seed: Seed, scheme: str, width: int
) -> None:
    """No violation of axe, and no page scrolls sideways."""
    failed = seed.failed(
        task=CLOSED, data=CALL, exception="builtins.ValueError", traceback=SAID, tags=("a:1",)
    )
    running = seed.running()
    engine.jobs.log(running, engine.inspector.job(running).fence, "half")
    fill(engine, 120, "mail")
    page = open_page(scheme, width)
    jobs = [page_of("job", failed), page_of("job", running), page_of("job", failed, "edit")]
    jobs.append(page_of("job", seed.queued(), "move"))
    _, members = started(engine, [(0, 1)] * 30 + [(1, 2), (2, 0)])
    jobs.append(page_of("job", members[30].id))
    urls = [JOBS, f"{JOBS}?tag=a:1", FAILURES, TASKS, RUN, f"{JOBS}add/", *jobs]
    worker = engine.inspector.job(running).worker
    engine.leases.renew(worker, {"host": "mill", "pid": 7, "jobs": 1234, "memory": 9**9})
    engine.leases.store_stacks(worker, json.dumps({"0.0": SAID, "0.1": None}))
    for url in (*urls, page_of("queue", "mail"), WORKERS, page_of("worker", worker)):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, url
        assert violations(page) == [], url
    page.get_by_role("button", name="Stop").click()
    page.locator(".jobqueue-question").wait_for()
    assert violations(page) == []
    page.goto(page_of("queue", "mail"))
    page.get_by_role("button", name="Empty").click()
    page.locator(".jobqueue-question").wait_for()
    assert violations(page) == []


@pytest.fixture
def asked_for(transactional_db: None) -> None:
    """Requests in all states, made before the browser starts: then the ORM is not to be used."""
    for number, state in enumerate(RequestState.values):
        JobRequest.objects.create(
            address="somebody.with.a.name@example.com",
            title="Export of all the homework of the year",
            job_id=uuid4(),
            state=state,
            mail_state=MailState.values[number],
            created_at=timezone.now() - timedelta(days=3 * number + 1),
            finished_at=timezone.now() if number else None,
        )


@pytest.mark.parametrize("width", [1280, 400])
def test_all_columns_of_the_list_of_requests_are_in_sight(
    asked_for: None, open_page: Callable[..., Any], engine: Engine, width: int
) -> None:
    page = open_page(width=width)
    page.goto("/admin/django_jobqueue_requests/jobrequest/")
    hidden = "e => e.closest('.results').scrollWidth - e.closest('.results').clientWidth"
    assert page.locator("#result_list").evaluate(hidden) == 0
    assert page.locator(".jobqueue-state", has_text="✖ failed").count() == 1
