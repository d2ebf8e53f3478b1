"""Each operation on jobs in a real browser, as an operator does it, with what it leads to."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import drain
from tests.admin.conftest import Seed
from tests.project import run_tasks
from tests.support.browser import answer, choose
from tests.support.jobs import fill
from tests.support.pages import FAILURES, JOBS, page_of
from tests.support.places import FAILED, claimed, finish

pytestmark = pytest.mark.e2e

LATER = 4_000_000_000_000


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
    rows = page.locator("#change-history tbody tr")
    rows.first.wait_for()
    assert rows.count() == 3
    assert engine.inspector.job(job).queue == "mail"
