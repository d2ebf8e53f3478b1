"""Workflows as callers see them: results go from parent to child, signed; callbacks come once."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from django_jobqueue import Limit, Unique, Workflow, chain, compat, group
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.diagnosis.explanation import explain
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.flow.membership import open_membership
from django_jobqueue.flow.plan import as_numbers, filled, make_plan, numbers_in
from django_jobqueue.flow.workflow import WorkflowNotFound
from django_jobqueue.jobs.states import State
from django_jobqueue.steering.editing import edit_and_requeue
from django_jobqueue.testing import assert_enqueued, captured_jobs, drain
from django_jobqueue.worker.executor import Executor
from tests.project import flow_tasks as flow
from tests.project import tasks
from tests.support.consistency import assert_consistent
from tests.support.places import claimed
from tests.support.processes import lines

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def test_chain_passes_results_on(engine: Engine) -> None:
    workflow = chain(flow.number.s(3), flow.double.s(), flow.echo.s("more")).enqueue()
    assert workflow.state == "running"
    assert drain() == 3
    assert workflow.wait(1) == [6, "more"]
    assert (workflow.state, workflow.progress) == ("succeeded", (3, 3, 0))
    assert_consistent(engine)


def test_group_passes_a_list_on_in_order(engine: Engine) -> None:
    workflow = group(flow.number.s(n) for n in range(20)).then(flow.echo.s()).enqueue()
    drain()
    assert workflow.result() == [list(range(20))]


def test_result_of_a_group(engine: Engine) -> None:
    workflow = group(flow.number.s(1), flow.nothing.s(), flow.number.s(3)).enqueue()
    drain()
    assert Workflow.get(workflow.id).result() == [1, None, 3]


def test_nested(engine: Engine) -> None:
    workflow = flow.nested().enqueue()
    drain()
    assert workflow.result() == [[4, ["x"], [], [2]], "last"]
    assert_consistent(engine)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (lambda: group(), []),
        (lambda: group(group(), group()), [[], []]),
        (lambda: group().then(flow.echo.s("end")), [[], "end"]),
        (lambda: chain(flow.number.s(1), group(), flow.echo.s()), [[]]),
        (lambda: chain(flow.number.s(1), group()), []),
        (lambda: group(chain(flow.number.s(1), group()), flow.number.s(2)), [[], 2]),
    ],
)
def test_empty_groups_are_done_at_once(
    engine: Engine, tmp_path: Path, given: Callable[[], Any], wanted: object
) -> None:
    """Their callback gets the empty list; on_done how many members there were."""
    oracle = str(tmp_path / "oracle")
    workflow = given().on_success(flow.told.s(oracle)).on_done(flow.told.s(oracle)).enqueue()
    drain()
    assert workflow.result() == wanted
    summary = {"workflow": workflow.id, "members": workflow.progress.members}
    found = sorted(line.partition(" ")[2].partition(" ")[2] for line in lines(Path(oracle)))
    assert found == sorted([repr([wanted]), repr([summary])])


def test_context_comes_first(engine: Engine) -> None:
    workflow = chain(flow.number.s(1), flow.with_context.s(more=2)).enqueue()
    drain()
    assert workflow.result()[1:] == [1, 2]


def test_options_of_a_call_count(engine: Engine) -> None:
    workflow = chain(
        flow.number.using(queue_name="b", tags=["t"]).s(1), flow.double.si(4)
    ).enqueue()
    assert drain(queues=["default"]) == 0
    assert drain(queues=["b", "default"]) == 2
    assert workflow.result() == 8


def test_failure(engine: Engine, tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    made = chain(flow.broken.s(), flow.double.s()).on_failure(flow.told.s(str(oracle)))
    workflow = made.on_success(flow.told.s(str(oracle))).enqueue()
    drain()
    assert len(lines(oracle)) == 1
    workflow.refresh()
    assert (workflow.state, workflow.progress) == ("failed", (2, 2, 2))
    with pytest.raises(ValueError, match="is failed: it has no result"):
        workflow.result()
    with pytest.raises(ValueError, match="failed"):
        workflow.wait(1)


def test_going_on(engine: Engine) -> None:
    made = group(flow.number.s(1), flow.broken.s(), flow.number.s(3)).then(flow.total.s())
    workflow = made.enqueue(if_failed="continue")
    drain()
    assert workflow.result() == 4
    assert workflow.state == "failed"


def test_failed_member_is_made_good(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "there"
    workflow = chain(flow.read.s(str(path)), flow.echo.s("end")).enqueue()
    drain()
    assert Workflow.get(workflow.id).state == "failed"
    path.write_text("good")
    engine.jobs.requeue(engine.workflows.members(workflow.id)[0].id)
    assert drain() == 2
    assert workflow.wait(1) == ["good", "end"]
    assert_consistent(engine)


def test_cancel(engine: Engine) -> None:
    workflow = chain(flow.number.s(1), flow.double.s()).enqueue()
    workflow.cancel()
    assert drain() == 0
    assert workflow.state == "cancelled"
    with pytest.raises(ValueError, match="is cancelled"):
        workflow.result()
    with pytest.raises(WorkflowNotFound):
        Workflow("nobody").cancel()


@pytest.mark.django_db(transaction=True)
def test_commit(engine: Engine) -> None:
    """Nothing is stored before it; a rollback and a cancel leave nothing."""
    task = flow.number.using(on_commit=True)
    with transaction.atomic():
        workflow = group(task.s(1)).enqueue()
        dropped = group(task.s(2)).enqueue()
        dropped.cancel()
        assert workflow.is_pending
        with pytest.raises(RuntimeError, match="commit"):
            workflow.wait()
        assert drain() == 0
    assert drain() == 1
    assert workflow.result() == [1]
    assert dropped.state == "cancelled"
    with transaction.atomic():
        group(task.s(1)).enqueue()
        transaction.set_rollback(True)
    assert drain() == 0


def test_forged_result_is_not_passed_on(engine: Engine) -> None:
    """Nobody who can write to Redis can give a function a value of their own."""
    workflow = chain(flow.number.s(1), flow.echo.s()).enqueue()
    drain_one(engine)
    key = engine.client.keys("workflow-results", workflow.id)
    good: Any = engine.client.redis.hget(key, "1")
    engine.client.redis.hset(key, "1", good.replace(b".1", b".666"))
    drain()
    child = engine.workflows.members(workflow.id)[1]
    job = engine.inspector.job(child.id)
    assert (job.state, job.reason) == (State.FAILED, "bad_signature")


def test_result_of_another_place_is_not_passed_on(engine: Engine) -> None:
    first = chain(flow.number.s(1), flow.echo.s()).enqueue()
    second = chain(flow.number.s(2), flow.echo.s()).enqueue()
    drain_one(engine)
    drain_one(engine)
    keys, client = engine.client.keys, engine.client.redis
    value = client.hget(keys("workflow-results", second.id), "1")
    client.hset(keys("workflow-results", first.id), "1", value)
    drain()
    assert [one.state for one in engine.workflows.members(first.id)] == ["succeeded", "failed"]
    assert second.result() == [2]


def test_worker_signs_for_the_signed_place(engine: Engine) -> None:
    """The record, which anybody may change, does not say whose result it is."""
    first = group(flow.number.s(666)).enqueue()
    second = chain(flow.number.s(1), flow.echo.s()).enqueue()
    (member,) = engine.workflows.members(first.id)
    flow_of = f"{second.id} 1 1"
    engine.client.redis.hset(engine.client.keys("job", member.id), "flow", flow_of)
    drain_one(engine)
    child = engine.workflows.members(second.id)[1]
    drain()
    assert engine.inspector.job(child.id).result != b"[666]"
    engine.client.redis.flushall()  # a damaged record is no consistent one


def test_missing_result_fails_the_child(engine: Engine) -> None:
    workflow = chain(flow.number.s(1), flow.echo.s()).enqueue()
    drain_one(engine)
    engine.client.redis.delete(engine.client.keys("workflow-results", workflow.id))
    drain()
    child = engine.inspector.job(engine.workflows.members(workflow.id)[1].id)
    assert (child.state, child.reason) == (State.FAILED, "damaged")


def drain_one(engine: Engine) -> None:
    """Run one job as a worker does."""
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    job.member = open_membership(engine, job)
    executor = Executor("default", engine.options, engine.signer, JobQueueBackend)
    task = executor.task_of(job)
    value = task.func(*job.member.given, *job.args)
    engine.claims.finish(slot, job, executor._succeeded(job, task, value), [])


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no signature": (
        lambda: group([1]),  # type: ignore[list-item]
        "1 is no call of a task",
    ),
    "a text": (
        lambda: group("abc"),  # type: ignore[arg-type]
        "give calls of tasks",
    ),
    "a result": (lambda: chain(flow.number.s(1), 5), "5 is no call of a task"),  # type: ignore[arg-type]
    "an empty chain": (lambda: chain(), "at least one part"),
    "too many": (lambda: group(flow.number.s(n) for n in range(10_001)), "at most 10,000"),
    "an endless group": (lambda: group(flow.number.s(1) for _ in iter(int, 1)), "at most 10,000"),
    "callbacks inside": (
        lambda: group(flow.number.s(1).on_done(flow.nothing.si())),
        "belong to the whole workflow",
    ),
    "two callbacks": (
        lambda: flow.number.s(1).on_done(flow.nothing.si()).on_done(flow.nothing.si()),
        "given twice",
    ),
    "a group as callback": (lambda: flow.number.s(1).on_done(group()), "give one call"),  # type: ignore[arg-type]
    "a policy": (lambda: group(flow.number.s(1)).enqueue(if_failed="ask"), "if_failed='ask'"),  # type: ignore[arg-type]
    "unique": (
        lambda: group(flow.echo.using(unique=Unique()).s(1)).enqueue(),
        r"unique can't be in a workflow",
    ),
    "durable": (lambda: flow.number.using(durable=True).s(1).enqueue(), "durable"),
    "run_after": (
        lambda: flow.number.using(run_after=timedelta(days=1)).s(1).enqueue(),
        "run_after",
    ),
    "cancel_older": (
        lambda: flow.number.using(concurrency=Limit(1, when="cancel_older")).s(1).enqueue(),
        "cancel_older",
    ),
    "a key over a parent's result": (
        lambda: chain(
            flow.number.s(1), flow.double.using(concurrency=Limit(1, key="{value}")).s()
        ).enqueue(),
        "a key with an argument",
    ),
    "a tenant that a parent's result tells": (
        lambda: chain(flow.number.s(1), flow.double.using(fair_by="{value}").s()).enqueue(),
        "a key with an argument",
    ),
    "a call that does not fit": (
        lambda: chain(flow.number.s(1), flow.nothing.s()).enqueue(),
        "nothing",
    ),
    "a missing argument": (lambda: group(flow.number.s()).enqueue(), "number"),
    "a value that is no JSON": (lambda: group(flow.number.s(object())).enqueue(), "Unsupported"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_bad_workflow_is_refused(engine: Engine, name: str) -> None:
    """At once, and nothing of it is stored."""
    call, words = REFUSED[name]
    with pytest.raises((compat.InvalidTask, TypeError), match=words):
        call()
    assert sum(engine.inspector.count(state) for state in State) == 0


def test_limit_without_braces_is_kept(engine: Engine) -> None:
    limited = flow.double.using(concurrency=Limit(1, key="all"))
    workflow = chain(flow.number.s(1), group(limited.s(), limited.s())).enqueue()
    drain()
    assert workflow.result() == [2, 2]
    assert_consistent(engine)


def test_numbers_in_a_row_are_short() -> None:
    plan = make_plan(group(flow.number.s(n) for n in range(10_000)))
    assert as_numbers(plan.output) == ["1-10000", "+1"]
    assert list(numbers_in(["1-3", 7, [9]])) == [1, 2, 3, 7, 9]
    assert filled(["1-3", [9]], {1: "a", 3: "c", 9: "i"}) == ["a", None, "c", ["i"]]
    assert as_numbers([plan.members[0], plan.members[1]]) == [1, 2]


def test_other_backends_have_no_workflows(settings: Any) -> None:
    module = compat.BaseTaskBackend.__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{module}.dummy.DummyBackend"}}
    with pytest.raises(compat.InvalidTask, match="has no workflows"):
        group(tasks.add.s(1, 2)).enqueue()


@override_settings(TASKS=EAGER)
def test_eager_backend_runs_workflows(tmp_path: Path) -> None:
    """In their order, at once, with the same results and callbacks."""
    oracle = tmp_path / "oracle"
    nested = flow.nested().on_success(flow.told.s(str(oracle))).enqueue()
    assert nested.wait(0) == [[4, ["x"], [], [2]], "last"]
    assert (nested.state, nested.progress) == ("succeeded", (6, 6, 0))
    failed = chain(flow.broken.s(), flow.double.s()).on_failure(flow.told.s(str(oracle))).enqueue()
    assert (failed.state, failed.progress) == ("failed", (2, 2, 2))
    with pytest.raises(ValueError, match="failed"):
        failed.result()
    made = group(flow.broken.s(), flow.number.s(2)).then(flow.total.s())
    assert made.enqueue(if_failed="continue").result() == 2
    assert len(lines(oracle)) == 2
    with pytest.raises(WorkflowNotFound):
        Workflow.get("nobody")


def test_captured_workflow() -> None:
    with captured_jobs() as jobs:
        workflow = chain(flow.number.s(1), flow.double.s()).enqueue()
        dropped = group(flow.broken.s()).enqueue()
        dropped.cancel()
        assert_enqueued(jobs, flow.number, args=[1])
        assert workflow.state == "running"
        assert [result.return_value for result in jobs.run()] == [1, 2]
        assert workflow.result() == 2
        assert dropped.state == "cancelled"


def test_explain_names_the_parents(engine: Engine) -> None:
    """And the failed one, once it is known."""
    workflow = chain(flow.broken.s(), flow.echo.s()).enqueue()
    parent, child = engine.workflows.members(workflow.id)
    (said, *_) = explain(engine, child.id)
    assert said == f"It waits for its parents in workflow {workflow.id}, such as {parent.id}."
    drain()
    (said,) = explain(engine, child.id)
    assert f"job {parent.id}, for which it waited, did not succeed" in said


def test_arguments_of_a_member_are_not_edited(engine: Engine) -> None:
    """The results that it takes stand beside them, in what is signed."""
    workflow = chain(flow.number.s(1), flow.echo.s()).enqueue()
    job = engine.inspector.job(engine.workflows.members(workflow.id)[1].id)
    with pytest.raises(TypeError, match="belongs to a workflow"):
        edit_and_requeue(engine, job, flow.echo, [1], {})
