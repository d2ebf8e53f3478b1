"""context.add_to_group: what a run adds to its group, with their results."""

from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from django_jobqueue import chain, compat, group
from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import WorkflowRefused
from django_jobqueue.exceptions import BadSignature
from django_jobqueue.testing import EagerBackend, captured_jobs, drain
from tests.project import flow_tasks as flow
from tests.support.consistency import assert_consistent

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def made() -> Any:
    """Return a group whose second member adds two, each of which adds one more."""
    tree = {"name": "b", "more": [{"name": "c", "more": [{"name": "f", "more": []}]},
                                  {"name": "d", "more": [{"name": "e", "more": []}]}]}  # fmt: skip
    return group(flow.number.s(1), flow.crawl.s(tree), flow.number.s(2)).then(flow.echo.s("end"))


WANTED = [[1, "b", 2, "c", "d", "f", "e"], "end"]


def test_results_come_after_those_of_the_group(engine: Engine) -> None:
    workflow = made().enqueue()
    assert drain() == 8
    assert workflow.wait(30) == WANTED
    assert workflow.progress == (8, 8, 0)
    assert_consistent(engine)


@override_settings(TASKS=EAGER)
def test_eager() -> None:
    workflow = made().enqueue()
    assert workflow.result() == WANTED
    assert workflow.progress == (8, 8, 0)
    EagerBackend.clear()


@override_settings(TASKS=EAGER)
def test_eager_adds_many() -> None:
    """One after the other: no deeper in the stack than a few."""
    more = [{"name": str(number), "more": []} for number in range(1_000)]
    workflow = group(flow.crawl.s({"name": "b", "more": more})).enqueue()
    assert workflow.progress == (1_001, 1_001, 0)
    EagerBackend.clear()


def test_captured() -> None:
    with captured_jobs() as jobs:
        workflow = made().enqueue()
        assert len(jobs.run()) == 8
        assert workflow.result() == WANTED


def test_innermost_group_gets_them(engine: Engine) -> None:
    """Also if the member is in a chain of it; the result of the outer one has none."""
    leaf = {"name": "x", "more": [{"name": "y", "more": []}]}
    inner = group(chain(flow.number.s(1), flow.crawl.si(leaf), flow.echo.s()))
    workflow = group(inner, flow.number.s(2)).enqueue()
    drain()
    assert workflow.wait(30) == [[["x"], "y"], 2]


def test_group_of_the_last_step(engine: Engine) -> None:
    leaf = {"name": "x", "more": [{"name": "y", "more": []}]}
    workflow = group(flow.crawl.s(leaf)).on_success(flow.echo.s()).enqueue()
    drain()
    assert workflow.wait(30) == ["x", "y"]
    assert_consistent(engine)


def test_run_that_is_retried_adds_nothing_twice(engine: Engine) -> None:
    task = flow.adds_and_fails.using(max_attempts=2)
    workflow = group(task.s([1, 2, 3])).then(flow.total.s()).enqueue()
    drain()
    assert workflow.wait(30) == 1 + 2 + 3
    assert workflow.progress == (5, 5, 0)
    assert_consistent(engine)


def test_failed_ones_count(engine: Engine) -> None:
    workflow = group(flow.adds_broken.s()).then(flow.echo.s()).enqueue(if_failed="continue")
    drain()
    assert workflow.wait(30) == [["added", None, 5]]
    assert (workflow.state, workflow.progress) == ("failed", (4, 4, 1))


REFUSED: dict[str, tuple[Any, str]] = {
    "in no group": (lambda: chain(flow.adds_broken.s()), "this one is in none"),
    "no call": (lambda: group(flow.adds.s("1")), "give calls of tasks"),
    "a callback": (lambda: group(flow.adds.s("callback")), "without callbacks"),
    "a group": (lambda: group(flow.adds.s("group")), "give calls of tasks"),
    "unique": (lambda: group(flow.adds.s("unique")), "unique can't be in a workflow"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_bad_addition_is_refused(engine: Engine, name: str) -> None:
    make, words = REFUSED[name]
    workflow = make().enqueue()
    drain()
    workflow.refresh()
    assert (workflow.state, workflow.progress.members) == ("failed", 1)
    (member,) = engine.workflows.members(workflow.id)
    assert words in engine.inspector.job(member.id).runs[-1].traceback


def test_single_job_has_no_group(engine: Engine) -> None:
    result = flow.adds_broken.enqueue()
    drain()
    with pytest.raises(compat.InvalidTask, match="this one is in none"):
        result.wait(30, reraise=True)


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_it_is_refused(engine: Engine) -> None:
    """The job could end before the commit, and its group with it."""
    workflow = group(flow.adds.s("commit")).enqueue()
    with transaction.atomic():
        drain()
    (member,) = engine.workflows.members(workflow.id)
    assert "wait for the commit" in engine.inspector.job(member.id).runs[-1].traceback


def test_cancelled_workflow_takes_no_more(engine: Engine) -> None:
    workflow = group(flow.cancels_and_adds.s()).enqueue()
    drain()
    (member,) = engine.workflows.members(workflow.id)
    assert "is being cancelled" in engine.inspector.job(member.id).runs[-1].traceback
    assert issubclass(WorkflowRefused, Exception)


def test_result_of_another_group_is_not_taken(engine: Engine) -> None:
    """Who can write to Redis can hide what was added, but not choose what counts as added."""
    leaf = {"name": "x", "more": [{"name": "y", "more": []}]}
    made = group(group(flow.crawl.s(leaf)), group(flow.crawl.s(leaf)))
    workflow = made.enqueue()
    drain()
    assert workflow.wait(30) == [["x", "y"], ["x", "y"]]
    key, client = engine.client.keys("workflow-added", workflow.id), engine.client.redis
    entries: Any = client.lrange(key, 0, -1)
    group_number, number, name = entries[1].decode().split()
    other = entries[0].decode().split()[0]
    assert other != group_number
    client.rpush(key, f"{other} {number} {name}")
    with pytest.raises(BadSignature):
        workflow.result()
