"""Workflows under requeue, delete and cancel of members at bad moments, and with damaged keys."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workflows import WorkflowRefused
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import new_id
from tests.support.clock import Clock
from tests.support.consistency import assert_consistent
from tests.support.flows import (
    CHAIN,
    EVENTS,
    FAN,
    SLOT,
    members,
    run,
    run_all,
    stage,
    started,
    states,
    steps,
)
from tests.support.places import DONE, FAILED, claimed, record

SIGNED = DONE._replace(value=b"7", signed=b"1.signature")
WIDE = [(0, 1)] + [(1, 0)] * 120  # one member, and more that wait for it than a finish moves


def settle(engine: Engine) -> None:
    while engine.workflows.advance():
        pass


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_member_that_ends_before_the_seal(engine: Engine, end: str) -> None:
    """The seal finds it: nobody waits for it until maintenance has looked at all members."""
    workflow, jobs = stage(engine, CHAIN, EVENTS)
    getattr(engine.jobs, end)(jobs[0].id)
    engine.workflows.advance()
    engine.workflows.seal(workflow)
    assert states(engine, jobs[1:3]) == ["cancelled"] * 2
    assert run_all(engine, DONE) == ["on_failure", "on_done"]
    assert engine.workflows.read(workflow).state == "failed"
    assert_consistent(engine)


def test_progress_before_the_seal(engine: Engine) -> None:
    """What is not stored yet has not ended."""
    workflow = new_id()
    engine.workflows.stage(workflow, members(workflow, FAN)[:1], total=4, steps=steps(FAN))
    found = engine.workflows.read(workflow)
    assert (found.state, found.done, found.members) == ("staged", 0, 4)
    assert_consistent(engine)


def test_nothing_of_an_unsealed_workflow_runs_by_a_requeue(engine: Engine) -> None:
    _, jobs = stage(engine, CHAIN, EVENTS)
    engine.jobs.cancel(jobs[0].id)
    with pytest.raises(JobQueueError, match="not stored whole"):
        engine.jobs.requeue(jobs[0].id)
    assert run(engine, DONE) == ""
    assert states(engine, jobs[:1]) == ["cancelled"]


def test_nothing_of_a_workflow_that_was_never_sealed_runs_by_a_requeue(
    engine: Engine, clock: Clock
) -> None:
    workflow, jobs = stage(engine, CHAIN, EVENTS)
    clock.move(seconds=3601)
    settle(engine)
    with pytest.raises(JobQueueError, match="not stored whole"):
        engine.jobs.requeue(jobs[0].id)
    assert run(engine, DONE) == ""
    assert engine.workflows.read(workflow).state == "cancelled"
    with pytest.raises(WorkflowRefused):
        engine.workflows.seal(workflow)
    assert_consistent(engine)


def test_requeue_before_the_parents_have_ended_waits_for_them(engine: Engine) -> None:
    """Somebody cancelled a member that waits, and changes their mind."""
    workflow, jobs = started(engine, CHAIN, EVENTS)
    engine.jobs.cancel(jobs[1].id)
    settle(engine)
    assert engine.jobs.requeue(jobs[1].id) == "waiting"
    settle(engine)
    assert states(engine, jobs[:3]) == ["queued", "waiting", "waiting"]
    assert_consistent(engine)
    assert run_all(engine, SIGNED) == ["m1", "m2", "m3", "on_success", "on_done"]
    assert engine.workflows.read(workflow).state == "succeeded"
    assert_consistent(engine)


def test_requeue_of_what_a_failure_stopped_is_refused(engine: Engine) -> None:
    """It has no result to begin with: the one that failed is to be requeued, first or later."""
    _, jobs = started(engine, CHAIN, EVENTS)
    run(engine, FAILED)
    with pytest.raises(JobQueueError, match=f"requeue job {jobs[0].id}"):
        engine.jobs.requeue(jobs[1].id)
    with pytest.raises(JobQueueError, match=f"requeue job {jobs[0].id}"):
        engine.jobs.requeue(jobs[2].id)
    assert states(engine, jobs[:3]) == ["failed", "cancelled", "cancelled"]
    assert_consistent(engine)
    engine.jobs.requeue(jobs[0].id)
    assert engine.jobs.requeue(jobs[1].id) == "waiting"
    assert run_all(engine, DONE) == ["on_failure", "on_done", "m1", "m2", "m3", "on_success"]
    assert_consistent(engine)


def test_requeue_goes_on_where_failures_do_not_stop(engine: Engine) -> None:
    _, jobs = started(engine, CHAIN, if_failed="continue")
    run(engine, FAILED)
    run(engine, FAILED)
    engine.jobs.requeue(jobs[1].id)
    assert run_all(engine, DONE) == ["m3", "m2"]
    assert_consistent(engine)


def test_children_have_the_old_result_while_their_parent_runs_again(engine: Engine) -> None:
    """They were released; and what they take must not vanish before they run."""
    workflow, jobs = started(engine, CHAIN)
    run(engine, SIGNED)
    engine.jobs.requeue(jobs[0].id)
    assert engine.workflows.results(workflow, [1]) == {1: b"1.signature.7"}
    assert run_all(engine, SIGNED._replace(value=b"8")) == ["m2", "m1", "m3"]
    assert engine.workflows.results(workflow, [1]) == {1: b"1.signature.8"}
    assert_consistent(engine)


@pytest.mark.parametrize("end", [FAILED, None])
def test_old_result_goes_with_a_run_that_fails(engine: Engine, end: object) -> None:
    workflow, jobs = started(engine, FAN)
    run(engine, SIGNED)
    engine.jobs.requeue(jobs[0].id)
    if end is None:
        engine.jobs.delete(jobs[0].id)
    else:
        run_all(engine, FAILED)
    settle(engine)
    assert engine.workflows.results(workflow, [1]) == {}
    assert engine.workflows.read(workflow).failed >= 1
    assert_consistent(engine)


def test_requeue_while_its_failure_is_still_stopping_others(engine: Engine) -> None:
    """The rest of the children is not stopped after the requeue."""
    _, jobs = started(engine, WIDE, EVENTS)
    assert run(engine, FAILED) == "m1"
    assert states(engine, jobs[1:121]).count("waiting") > 20  # one call stops so many
    engine.jobs.requeue(jobs[0].id)
    settle(engine)
    assert states(engine, jobs[:121]) == ["queued"] + ["waiting"] * 120
    assert_consistent(engine)
    assert run_all(engine, DONE)[0] == "m1"
    settle(engine)
    run_all(engine, DONE)
    assert states(engine, jobs[:121]) == ["succeeded"] * 121
    assert_consistent(engine)


def test_ended_workflows_are_removed_as_fast_as_they_end(engine: Engine, clock: Clock) -> None:
    """Also those of a site that stores many in each second."""
    for _ in range(150):
        started(engine, [])
    clock.move(seconds=max(engine.options.retention.values()) + 1)
    settle(engine)
    assert engine.client.redis.zcard(engine.client.keys("workflows")) == 0


@pytest.mark.parametrize(
    "kind",
    [
        "workflow",
        "workflow-members",
        "workflow-steps",
        "workflow-open",
        "workflow-failed",
        "workflow-results",
        "workflow-notes",
        "workflows",
    ],
)
@pytest.mark.parametrize("end", [SIGNED, FAILED])
def test_damaged_key_stops_no_worker(engine: Engine, clock: Clock, kind: str, end: object) -> None:
    """The workflow may be lost with it; but each run ends, and so do other workflows."""
    workflow, jobs = started(engine, FAN, EVENTS)
    other, _ = started(engine, CHAIN)
    keys = engine.client.keys
    name = keys(kind) if kind in ("workflows", "workflow-notes") else keys(kind, workflow)
    engine.client.redis.set(name, "damage")
    job = claimed(engine, SLOT)
    engine.claims.finish(SLOT, job, end, [])  # type: ignore[arg-type]
    assert record(engine, job.id)["state"] in ("succeeded", "failed")
    for job in jobs[1:3]:
        engine.jobs.cancel(job.id)
    engine.workflows.cancel(workflow)
    settle(engine)
    run_all(engine, DONE)
    clock.move(seconds=61)
    settle(engine)
    assert engine.workflows.read(other).state == "succeeded"
    engine.client.redis.flushall()  # a damaged record is no consistent one


def test_note_that_is_due_no_longer_is_dropped(engine: Engine) -> None:
    """Of a wide step the rest is noted anew, and comes after what has changed meanwhile."""
    workflow, jobs = started(engine, FAN)
    notes = engine.client.keys("workflow-notes")
    engine.client.redis.zadd(notes, {f"stop {workflow} 1 4 parent:{jobs[0].id}": 1})
    settle(engine)
    assert states(engine, jobs[3:]) == ["waiting"]
    run(engine, FAILED)
    engine.client.redis.zadd(notes, {f"restage {workflow} 1 4 -": 1})
    settle(engine)
    assert states(engine, jobs[3:]) == ["cancelled"]
    assert_consistent(engine)


def test_restage_that_comes_after_the_release_lets_members_run(engine: Engine) -> None:
    workflow, jobs = started(engine, [(0, 1), (0, 1), (0, 0), (1, 0)])
    assert run(engine, FAILED) == "m1"
    engine.client.redis.zrem(engine.client.keys("workflow-failed", workflow), "1")
    assert run(engine, DONE) == "m2"  # the release passes what is still cancelled
    notes = engine.client.keys("workflow-notes")
    engine.client.redis.zadd(notes, {f"restage {workflow} 1 4 -": 1})
    settle(engine)
    assert states(engine, jobs[3:]) == ["queued"]
    assert_consistent(engine)
