"""seal: the first members may run once all are stored."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import WorkflowRefused
from django_jobqueue.jobs.job import new_id
from tests.support.consistency import assert_consistent
from tests.support.flows import (
    CHAIN,
    EVENTS,
    SLOT,
    members,
    run,
    run_all,
    stage,
    started,
    states,
    steps,
)
from tests.support.places import DONE, claimed, everything, finish, full_memory, record


def test_chain_runs_in_order(engine: Engine) -> None:
    workflow, jobs = started(engine, CHAIN, EVENTS)
    assert run(engine, DONE) == "m1"
    assert states(engine, jobs[:3]) == ["succeeded", "queued", "waiting"]
    assert run_all(engine, DONE) == ["m2", "m3", "on_success", "on_done"]
    assert states(engine, jobs) == ["succeeded"] * 4 + ["cancelled", "succeeded"]
    assert record(engine, jobs[4].id)["reason"] == "not_called"
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done, found.members, found.failed) == (
        "succeeded", 3, 3, 0,
    )  # fmt: skip
    assert_consistent(engine)


def test_workflow_without_members(engine: Engine) -> None:
    workflow, _ = started(engine, [], EVENTS)
    assert run_all(engine, DONE) == ["on_success", "on_done"]
    assert engine.workflows.read(workflow).state == "succeeded"
    assert_consistent(engine)


def test_many_members_are_moved_in_pages(engine: Engine) -> None:
    """One call moves at most 500; the caller goes on at once."""
    count = 1_200
    shape = [(0, 1)] * count + [(1, 0)]
    workflow, jobs = new_id(), []
    jobs = members(workflow, shape)
    for start in range(0, len(jobs), 100):
        begun = steps(shape) if not start else ""
        engine.workflows.stage(workflow, jobs[start : start + 100], total=len(shape), steps=begun)
    assert int(engine.workflows._run("seal", workflow=workflow)[2]) == 1
    queued = engine.client.keys("queued", "default")
    assert engine.client.redis.zcard(queued) == 500
    while engine.workflows.advance():
        pass
    assert engine.client.redis.zcard(queued) == count
    engine.workflows.cancel(workflow)
    assert engine.client.redis.zcard(queued) == 0
    assert engine.workflows.read(workflow).state == "cancelled"
    assert_consistent(engine)


@pytest.mark.parametrize("missing", [0, 1])
def test_workflow_of_which_a_cancel_is_noted_is_not_sealed(engine: Engine, missing: int) -> None:
    """Its caller is told so, though members of other workflows are cancelled first."""
    workflow = new_id()
    jobs = members(workflow, CHAIN)
    engine.workflows.stage(workflow, jobs, total=3 + missing, steps=steps(CHAIN))
    engine.client.redis.hset(engine.client.keys("workflow", workflow), "cancel", "by_hand")
    with pytest.raises(WorkflowRefused, match="is cancelled"):
        engine.workflows.seal(workflow)
    assert states(engine, jobs) == ["waiting"] * 3
    engine.workflows.cancel(workflow)
    assert states(engine, jobs) == ["cancelled"] * 3
    assert engine.workflows.read(workflow).state == "cancelled"
    assert_consistent(engine)


def test_seal_that_is_repeated_after_the_end_changes_nothing(engine: Engine) -> None:
    """The workflow has ended since the first call."""
    workflow, _ = started(engine, CHAIN)
    run_all(engine, DONE)
    before = everything(engine)
    engine.workflows.seal(workflow)
    assert everything(engine) == before


def test_seal_that_is_repeated_after_a_cancel_tells_of_no_error(engine: Engine) -> None:
    """It was sealed, and what runs ends."""
    workflow, jobs = started(engine, CHAIN)
    job = claimed(engine, SLOT)
    engine.workflows.cancel(workflow)
    engine.workflows.seal(workflow)
    assert states(engine, jobs) == ["running", "cancelled", "cancelled"]
    finish(engine, SLOT, job)


def test_sealed_workflow_is_looked_at_in_a_minute(engine: Engine) -> None:
    """And not in the hour in which it was to be sealed, nor at once."""
    workflow, _ = started(engine, CHAIN)
    now = int(engine.client.run("get_cached", digest="x")[0])
    look = engine.client.redis.zscore(engine.client.keys("workflows"), workflow)
    assert look is not None
    assert now < look <= now + 60_000


def test_workflow_without_its_open_members_is_not_sealed(engine: Engine) -> None:
    """A key of another type has none."""
    workflow, jobs = stage(engine, CHAIN)
    engine.client.redis.set(engine.client.keys("workflow-open", workflow), "x")
    with pytest.raises(WorkflowRefused, match="3 members are missing"):
        engine.workflows.seal(workflow)
    assert states(engine, jobs) == ["waiting"] * 3
    engine.client.redis.flushall()  # a damaged record is no consistent one


def test_incomplete_workflow_is_not_sealed(engine: Engine) -> None:
    workflow, jobs = new_id(), []
    jobs = members(workflow, CHAIN)
    engine.workflows.stage(workflow, jobs[:2], total=3, steps=steps(CHAIN))
    with pytest.raises(WorkflowRefused, match="1 members are missing"):
        engine.workflows.seal(workflow)
    assert run(engine, DONE) == ""
    with pytest.raises(WorkflowRefused, match="gone"):
        engine.workflows.seal(new_id())
    assert_consistent(engine)


def test_full_server_lets_them_run(engine: Engine) -> None:
    """What they need is stored already."""
    workflow, jobs = stage(engine, CHAIN)
    with full_memory(engine):
        engine.workflows.seal(workflow)
    assert states(engine, jobs) == ["queued", "waiting", "waiting"]
