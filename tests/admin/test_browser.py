"""The admin in a real browser, under a policy that forbids all inline code and style."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.admin.conftest import Seed
from tests.support.browser import Chromium, log_in
from tests.support.pages import FAILURES, JOBS, QUEUES, SCHEDULES, TASKS, WORKERS, page_of
from tests.support.processes import until

pytestmark = pytest.mark.e2e

HIDDEN = "e => e.closest('.results').scrollWidth - e.closest('.results').clientWidth"
LINES = """e => { const range = document.createRange(); range.selectNodeContents(e);
    return new Set([...range.getClientRects()].map(r => Math.round(r.bottom / 6))).size }"""
PICTURES = os.environ.get("TEST_PICTURES", "")  # a folder: pictures of the pages are kept there


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.fixture
def open_page(
    chromium: Chromium, live_server: Any, admin_user: Any
) -> Iterator[Callable[..., Any]]:
    """Open pages of the admin, logged in; complaints of the console fail the test."""
    with chromium.at(live_server.url) as browser:

        def start(scheme: str = "light") -> Any:
            page = browser.page(color_scheme=scheme)
            log_in(page, "/admin/")
            return page

        yield start


def test_a_failed_job_is_found_read_and_requeued(open_page: Callable[..., Any], seed: Seed) -> None:
    failed = seed.failed(queue="mail", traceback="Traceback: it broke")
    seed.queued()
    page = open_page()
    page.goto(QUEUES)
    page.get_by_role("link", name="1 failed in mail").click()
    page.get_by_role("link", name="project.tasks.noop", exact=True).click()
    page.get_by_text("Traceback: it broke").wait_for()
    page.get_by_role("button", name="Requeue").click()
    page.get_by_text("1 job requeued.").wait_for()
    assert seed.engine.inspector.job(failed).state is State.QUEUED


def test_the_action_menu_cancels_all_selected(open_page: Callable[..., Any], seed: Seed) -> None:
    made = [seed.queued() for _ in range(3)]
    page = open_page()
    page.goto(JOBS)
    page.check("#action-toggle")
    page.select_option("select[name=action]", "cancel_selected")
    page.click("button[name=index]")
    page.get_by_text("3 jobs cancelled.").wait_for()
    until(lambda: seed.engine.inspector.count(State.CANCELLED) == len(made))


def test_a_schedule_is_looked_at_added_and_run(
    open_page: Callable[..., Any], engine: Engine
) -> None:
    """The preview is shown, and what was typed stays, without a line of JavaScript of ours."""
    page = open_page()
    page.goto(f"{SCHEDULES}add/")
    page.fill("#id_name", "sum")
    page.select_option("#id_task", "tests.project.tasks.add")
    page.fill("#id_args", "[1")
    page.get_by_label("number").fill("90")
    page.get_by_label("unit").select_option(label="minutes")
    page.get_by_role("button", name="Show the next fires").click()
    page.get_by_text("can't be used").wait_for()
    page.fill("#id_args", "[1, 2]")
    page.get_by_role("button", name="Show the next fires").click()
    page.get_by_text("nothing is stored yet").wait_for()
    assert page.locator(".jobqueue-fires tbody tr").count() == 5
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list").get_by_role("link", name="sum", exact=True).click()
    assert page.get_by_label("number").input_value() == "90"
    page.get_by_role("button", name="Run now").click()
    page.get_by_text("1 schedule is run now.").wait_for()
    assert engine.inspector.count(State.QUEUED) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_obeys_the_policy(
    schedule: str, open_page: Callable[..., Any], seed: Seed, scheme: str
) -> None:
    made = seed.one_of_each()
    seed.engine.leases.renew("worker-1", {"host": "mill", "pid": 1, "started_at": 1})
    page = open_page(scheme)
    urls = [page_of("job", job_id) for job_id in made.values()]
    urls += [page_of("job", made["failed"], "delete"), page_of("queue", "default")]
    urls += [SCHEDULES, f"{SCHEDULES}add/", page_of("schedule", schedule)]
    urls += [FAILURES, TASKS]
    for url in (JOBS, f"{JOBS}?q=nothing", QUEUES, WORKERS, page_of("worker", "worker-1"), *urls):
        answer = page.goto(url)
        assert answer.status == 200, url


def test_code_and_figures_run_from_left_to_right_in_hebrew(
    open_page: Callable[..., Any], seed: Seed, settings: Any
) -> None:
    """They are not mixed with the text around them, which runs the other way."""
    settings.LANGUAGE_CODE = "he"
    failed, running = seed.failed(exception="app.errors.Bad"), seed.running()
    seed.engine.jobs.log(running, seed.engine.inspector.job(running).fence, "done: 5.")
    page = open_page()
    style = "e => [getComputedStyle(e).direction, getComputedStyle(e).unicodeBidi].join()"
    for url, found in (
        (page_of("job", failed), (".jobqueue-text >> nth=0", ".jobqueue-text >> nth=1", "code")),
        (page_of("job", failed), (".field-run_time bdi", ".jobqueue-age bdi, bdi.jobqueue-age")),
        (page_of("job", failed), (".jobqueue-timeline .jobqueue-error bdi", ".jobqueue-facts bdi")),
        (page_of("job", running), (".jobqueue-lines bdi", ".jobqueue-lines time.jobqueue-time")),
        (JOBS, ("td.field-run_time bdi", "td.field-wait bdi", "th.field-task_name bdi")),
    ):
        page.goto(url)
        assert page.evaluate("document.documentElement.dir") == "rtl"
        for selector in found:
            assert page.locator(selector).first.evaluate(style) == "ltr,isolate", selector


@pytest.mark.parametrize("width", [1280, 400])
def test_what_scrolls_can_be_scrolled_by_keyboard(
    open_page: Callable[..., Any], seed: Seed, width: int
) -> None:
    """As the rule scrollable-region-focusable of axe demands."""
    long = "x" * 400 + " y" * 4_000
    job = seed.failed(traceback=long, data=json.dumps({"args": [long], "kwargs": {}}).encode())
    page = open_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(page_of("job", job))
    stuck = """() => [...document.querySelectorAll('#content *')].filter(e =>
        /auto|scroll/.test(getComputedStyle(e).overflowY + getComputedStyle(e).overflowX) &&
        (e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1) &&
        e.tabIndex < 0).map(e => e.className)"""
    assert page.evaluate(stuck) == []


def test_a_telephone_shows_a_job_without_scrolling_sideways(
    open_page: Callable[..., Any], seed: Seed
) -> None:
    failed = seed.failed(exception="app.errors.QuiteALongNameOfAnException")
    page = open_page()
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(page_of("job", failed))
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_telephone_shows_what_is_wrong_with_a_worker(
    open_page: Callable[..., Any], engine: Engine
) -> None:
    """In few lines, in a table that scrolls."""
    engine.leases.renew("worker-1", {"host": "mill", "fault": "unseen for 3 min 12 s"})
    page = open_page()
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(WORKERS)
    assert page.locator("td.field-health").evaluate(LINES) <= 2


LONG = "app.tasks.send_the_monthly_statement_to_all"


@pytest.mark.parametrize("language", ["en-us", "de"])
def test_all_columns_of_the_job_list_are_in_sight(
    open_page: Callable[..., Any], seed: Seed, settings: Any, language: str
) -> None:
    """With a long name, which is not broken within, and in a language of long words."""
    settings.LANGUAGE_CODE = language
    seed.succeeded(task=LONG, queue="a-queue-with-a-long-name")
    seed.failed()
    seed.running()
    page = open_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(JOBS)
    picture(page, f"jobs-1280-{language}")
    assert page.locator("#result_list").evaluate(HIDDEN) == 0
    name = page.locator("th.field-task_name .jobqueue-task", has_text="send")
    assert name.evaluate(LINES) <= 3
    short = page.locator("th.field-task_name .jobqueue-task", has_text="noop").first
    assert short.evaluate(LINES) == 1


@pytest.mark.parametrize("language", ["en-us", "de"])
def test_a_telephone_shows_what_state_a_job_is_in(
    open_page: Callable[..., Any], seed: Seed, settings: Any, language: str
) -> None:
    """Task, state, queue and time are in sight, without scrolling sideways."""
    settings.LANGUAGE_CODE = language
    seed.failed()
    seed.running()
    seed.succeeded(queue="mail")
    page = open_page("dark")
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(JOBS)
    picture(page, "jobs-400-dark")
    for column in ("task_name", "state_text", "queue", "enqueued"):
        box = page.locator(f".field-{column}").first.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 400, column
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_buttons_do_not_cover_the_name_of_a_job(
    open_page: Callable[..., Any], seed: Seed, settings: Any
) -> None:
    """In a language of long words they reach above it."""
    settings.LANGUAGE_CODE = "de"
    failed = seed.failed()
    page = open_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(page_of("job", failed))
    covered = page.locator("#content h2").first.evaluate(
        """name => {
            const words = document.createRange();
            words.selectNodeContents(name);
            const box = words.getBoundingClientRect();
            const tools = [...document.querySelectorAll(".object-tools :is(a, button)")];
            return tools.map(one => one.getBoundingClientRect()).filter(
                one => one.left < box.right && box.left < one.right
                    && one.top < box.bottom && box.top + 2 < one.bottom
            ).length;  // 2 px of a line are above its letters
        }"""
    )
    assert covered == 0
    assert page.locator(".object-tools :is(a, button)").count() >= 3
