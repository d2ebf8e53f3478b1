"""advance: what ends is noted once, and what waits for it goes on or is stopped."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
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
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RETRIED,
    claimed,
    everything,
    finish,
    full_memory,
    record,
)

SIGNED = DONE._replace(value=b"7", signed=b"1.signature")


def test_what_follows_a_group_waits_for_all(engine: Engine) -> None:
    started(engine, FAN)
    assert [run(engine, DONE) for _ in range(3)] == ["m1", "m2", "m3"]
    assert run_all(engine, DONE) == ["m4"]
    assert_consistent(engine)


def test_end_is_counted_once(engine: Engine) -> None:
    """A finish whose reply was lost comes again."""
    _, jobs = started(engine, FAN)
    job = claimed(engine, SLOT)
    for _ in range(3):
        engine.claims.finish(SLOT, job, DONE, [])
    assert states(engine, jobs)[3] == "waiting"
    assert_consistent(engine)


def test_failure_stops_what_waits_for_it(engine: Engine) -> None:
    """Others go on; the reason names the member that failed, also for those further down."""
    shape = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 0)]  # two chains, and what follows both
    workflow, jobs = started(engine, shape, EVENTS)
    assert run(engine, FAILED) == "m1"
    assert states(engine, jobs[:5]) == ["failed", "queued", "cancelled", "waiting", "cancelled"]
    reason = f"parent:{jobs[0].id}"
    assert {record(engine, jobs[n].id)["reason"] for n in (2, 4)} == {reason}
    assert run_all(engine, DONE) == ["m2", "m4", "on_failure", "on_done"]
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done, found.failed) == ("failed", 5, 3)
    assert_consistent(engine)


def test_retry_is_no_end(engine: Engine) -> None:
    _, jobs = started(engine, CHAIN)
    run(engine, RETRIED)
    assert states(engine, jobs) == ["scheduled", "waiting", "waiting"]
    assert_consistent(engine)


def test_going_on_after_a_failure(engine: Engine) -> None:
    workflow, _ = started(engine, FAN, EVENTS, if_failed="continue")
    run(engine, FAILED)
    assert run_all(engine, DONE) == ["m2", "m3", "m4", "on_failure", "on_done"]
    assert engine.workflows.read(workflow).state == "failed"
    assert_consistent(engine)


@pytest.mark.parametrize("state", [State.WAITING, State.QUEUED, State.RUNNING])
def test_cancel_of_a_member(engine: Engine, state: State) -> None:
    """Its children are stopped, whatever it was doing."""
    workflow, jobs = started(engine, CHAIN)
    at = 1 if state is State.WAITING else 0
    if state is State.RUNNING:
        job = claimed(engine, SLOT)
        engine.jobs.cancel(job.id)
        engine.claims.finish(SLOT, job, RETRIED, [])
    else:
        engine.jobs.cancel(jobs[at].id)
    engine.workflows.advance()
    assert states(engine, jobs[at:]) == ["cancelled"] * (3 - at)
    assert record(engine, jobs[2].id)["reason"] == f"parent:{jobs[at].id}"
    assert engine.workflows.read(workflow).state == ("running" if at else "failed")
    assert_consistent(engine)


def test_delete_of_a_member(engine: Engine) -> None:
    _, jobs = started(engine, CHAIN)
    engine.jobs.delete(jobs[0].id)
    engine.workflows.advance()
    assert states(engine, jobs[1:]) == ["cancelled"] * 2
    assert_consistent(engine)


def test_member_that_expires(engine: Engine) -> None:
    workflow = new_id()
    jobs = members(workflow, CHAIN, expires="1")
    engine.workflows.stage(workflow, jobs, total=3, steps=steps(CHAIN))
    engine.workflows.seal(workflow)
    assert run(engine, DONE) == ""
    engine.workflows.advance()
    assert states(engine, jobs) == ["cancelled"] * 3
    assert_consistent(engine)


def test_member_that_is_lost_too_often(engine: Engine, clock: Clock) -> None:
    _, jobs = started(engine, CHAIN)
    for _ in range(3):
        claimed(engine, SLOT)
        clock.move(seconds=60)
        engine.queues.reap("", **REAP)
    engine.workflows.advance()
    assert states(engine, jobs) == ["failed", "cancelled", "cancelled"]
    assert_consistent(engine)


def test_result_is_kept_for_the_children(engine: Engine) -> None:
    workflow, _ = started(engine, FAN)
    run(engine, SIGNED)
    run(engine, SIGNED._replace(value=b""))
    assert engine.workflows.results(workflow, [1, 2, 3]) == {
        1: b"1.signature.7", 2: b"1.signature.null",
    }  # fmt: skip
    assert_consistent(engine)


def test_member_that_is_trimmed_before_its_end_is_seen(engine: Engine) -> None:
    """Its result tells that it has succeeded."""
    workflow, jobs = started(engine, CHAIN)
    engine.client.redis.zadd(engine.client.keys("workflow-notes"), {f"end {workflow} 9 0 -": 0})
    run(engine, SIGNED)
    engine.jobs.delete(jobs[0].id)
    note = f"end {workflow} 1 1 {jobs[0].id}"
    engine.client.redis.zadd(engine.client.keys("workflow-notes"), {note: 0})
    engine.workflows.advance()
    assert states(engine, jobs[1:]) == ["queued", "waiting"]
    assert engine.workflows.results(workflow, [1]) == {1: b"1.signature.7"}


def test_requeue_of_a_failed_member_goes_on_from_there(engine: Engine) -> None:
    workflow, jobs = started(engine, [(0, 1), (1, 2), (1, 2), (2, 0)], EVENTS)
    run(engine, FAILED)
    assert run_all(engine, DONE) == ["on_failure", "on_done"]
    engine.jobs.requeue(jobs[0].id)
    assert states(engine, jobs[:4]) == ["queued", "waiting", "waiting", "waiting"]
    assert engine.workflows.read(workflow).state == "running"
    assert_consistent(engine)
    assert run_all(engine, DONE) == ["m1", "m2", "m3", "m4", "on_success"]
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done, found.failed) == ("succeeded", 4, 0)
    assert_consistent(engine)


def test_requeue_of_one_of_two_failed_members(engine: Engine) -> None:
    """What follows waits until both are made good."""
    _, jobs = started(engine, FAN)
    assert [run(engine, FAILED), run(engine, FAILED), run(engine, DONE)] == ["m1", "m2", "m3"]
    engine.jobs.requeue(jobs[0].id)
    assert run_all(engine, DONE) == ["m1"]
    assert states(engine, jobs) == ["succeeded", "failed", "succeeded", "cancelled"]
    engine.jobs.requeue(jobs[1].id)
    assert run_all(engine, DONE) == ["m2", "m4"]
    assert_consistent(engine)


def test_record_is_trimmed_as_one(engine: Engine, clock: Clock) -> None:
    workflow, _ = started(engine, CHAIN)
    run_all(engine, SIGNED)
    keep = max(engine.options.retention.values())
    clock.move(seconds=keep - 1)
    engine.workflows.advance()
    assert engine.workflows.read(workflow)
    clock.move(seconds=2)
    engine.workflows.advance()
    assert engine.workflows.read(workflow) is None
    found = engine.client.redis.keys(f"{engine.client.keys('workflow')}*")
    assert found == []
    assert_consistent(engine)


def test_member_whose_end_nobody_noted_is_found(engine: Engine, clock: Clock) -> None:
    """Such as after keys were lost."""
    _, jobs = started(engine, CHAIN)
    key = engine.client.keys("job", jobs[0].id)
    engine.client.redis.hdel(key, "flow")
    run(engine, DONE)
    assert states(engine, jobs)[1] == "waiting"
    clock.move(seconds=61)
    engine.workflows.advance()
    assert states(engine, jobs)[1] == "queued"


def test_members_that_were_never_stored_stop_nobody(engine: Engine, clock: Clock) -> None:
    """The caller died between two calls, and a step begins with what it had stored."""
    workflow = new_id()
    jobs = members(workflow, CHAIN)
    engine.workflows.stage(workflow, jobs[:1], total=3, steps=steps(CHAIN))
    clock.move(3601)
    while engine.workflows.advance():
        pass
    assert states(engine, jobs[:1]) == ["cancelled"]
    record_of = engine.workflows.read(workflow)
    assert record_of is not None
    assert record_of.state == "cancelled"


def test_tree(engine: Engine) -> None:
    workflow, jobs = started(engine, FAN)
    found = engine.workflows.members(workflow)
    assert [(one.number, one.id, one.step, one.feeds) for one in found] == [
        (n, job.id, step, feeds)
        for n, (job, (step, feeds)) in enumerate(zip(jobs, FAN, strict=True), 1)
    ]
    assert [one.number for one in engine.workflows.members(workflow, 3, 1)] == [3]
    assert engine.workflows.waits_for(engine.inspector.job(jobs[3].id)) == [
        job.id for job in jobs[:3]
    ]


def test_full_server_goes_on(engine: Engine) -> None:
    _, jobs = started(engine, FAN)
    engine.jobs.cancel(jobs[0].id)
    with full_memory(engine):
        assert engine.workflows.advance() == 0
    assert states(engine, jobs) == ["cancelled", "queued", "queued", "cancelled"]


def test_wrong_limit_is_refused(engine: Engine) -> None:
    _, jobs = started(engine, FAN)
    engine.jobs.cancel(jobs[0].id)
    before = everything(engine)
    with pytest.raises(QueueUnavailable, match="limit is"):
        engine.client.run("advance", limit="x")
    assert everything(engine) == before


def test_note_of_an_end_that_was_undone_says_nothing(engine: Engine) -> None:
    """The member waits again since it was stopped; another note may have come before this one."""
    workflow, jobs = started(engine, CHAIN)
    note = f"end {jobs[1].flow} {jobs[1].id}"
    engine.client.redis.zadd(engine.client.keys("workflow-notes"), {note: 1})
    assert engine.workflows.advance() == 0
    assert run_all(engine, DONE) == ["m1", "m2", "m3"]
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done) == ("succeeded", 3)


def test_failure_that_feeds_nothing_stops_nobody(engine: Engine) -> None:
    """Also not one of the first step that waits for a key."""
    workflow = new_id()
    jobs = members(workflow, [(0, 0), (0, 0)])
    jobs[0].limits = ("1w:k",)
    other = new_job(new_id(), limits=("1w:k",))
    engine.jobs.enqueue([other])
    held = claimed(engine, Slot("worker-2", "0.0"))
    engine.workflows.stage(workflow, jobs, total=2, steps="0 1 2")
    engine.workflows.seal(workflow)
    assert run_all(engine, FAILED) == ["m2"]
    assert states(engine, jobs) == ["waiting", "failed"]
    finish(engine, Slot("worker-2", "0.0"), held)
    assert run_all(engine, DONE) == ["m1"]
    assert_consistent(engine)


def test_record_stays_until_all_members_are_cancelled(engine: Engine, clock: Clock) -> None:
    """However short it is kept after its end."""
    workflow, jobs = stage(engine, FAN)
    engine.client.redis.hset(engine.client.keys("workflow", workflow), "keep", 1)
    clock.move(seconds=3601)
    while engine.workflows.advance(1):
        clock.move(seconds=1)
    assert states(engine, jobs) == ["cancelled"] * 4
    clock.move(seconds=60)  # until the next look
    engine.workflows.advance()
    assert engine.workflows.read(workflow) is None


def test_requeue_of_a_member_forgets_the_end_of_its_workflow(engine: Engine, clock: Clock) -> None:
    """It is looked at like one that runs, and was never cancelled."""
    workflow, jobs = started(engine, FAN)
    job = claimed(engine, SLOT)
    engine.workflows.cancel(workflow)
    finish(engine, SLOT, job)
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.reason) == ("cancelled", "cancelled")
    engine.jobs.requeue(jobs[0].id)
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.reason, found.ended_at) == ("running", "", 0)
    now = int(engine.client.run("get_cached", digest="x")[0])
    look = engine.client.redis.zscore(engine.client.keys("workflows"), workflow)
    assert look is not None
    assert now < look <= now + 60_000


def test_requeue_that_broke_ends_the_workflow_again(engine: Engine) -> None:
    """It had noted the member, which did not run again."""
    workflow, jobs = started(engine, CHAIN)
    assert run_all(engine, DONE) == ["m1", "m2", "m3"]
    note = f"again {jobs[2].flow} {jobs[2].id}"
    engine.client.redis.zadd(engine.client.keys("workflow-notes"), {note: 1})
    assert engine.workflows.advance() == 0
    found = engine.workflows.read(workflow)
    assert found
    assert (found.state, found.done) == ("succeeded", 3)
