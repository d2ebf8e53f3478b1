"""Members that have limits, rates, tags or a time to start, and those that end badly."""

from datetime import timedelta

import pytest

from django_jobqueue import Limit, Rate, cancel_tagged, chain, group
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import drain
from tests.project import flow_tasks as flow
from tests.support.clock import Clock
from tests.support.consistency import assert_consistent


def found(engine: Engine, workflow_id: str) -> list[tuple[str, str]]:
    members = engine.workflows.members(workflow_id)
    jobs = [engine.inspector.job(one.id) for one in members]
    return [(str(job.state), job.reason) for job in jobs]


@pytest.mark.parametrize("value", ["large", "endless"])
def test_result_that_can_not_be_passed_on_fails_its_member(engine: Engine, value: str) -> None:
    """And stops what waits for it; nothing half is passed on."""
    workflow = chain(flow.unfit.s(value), flow.echo.s()).on_failure(flow.nothing.si()).enqueue()
    assert drain() == 2
    (first, _), (second, reason) = found(engine, workflow.id)
    assert (first, second) == ("failed", "cancelled")
    assert reason.startswith("parent:")
    workflow.refresh()
    assert (workflow.state, workflow.progress) == ("failed", (2, 2, 2))
    assert_consistent(engine)


def test_member_whose_task_is_gone(engine: Engine, clock: Clock) -> None:
    """It waits for a worker that knows it, then fails, and stops what waits for it."""
    workflow = chain(flow.nothing.s(), flow.echo.si()).enqueue()
    first, _ = engine.workflows.members(workflow.id)
    record, job = engine.client.keys("job", first.id), engine.inspector.job(first.id)
    job.open(engine.signer)
    payload = job.payload.partition(b".")[2].partition(b".")[2]
    gone = "tests.project.flow_tasks.gone"
    signed = engine.signer.sign(first.id, gone, payload)
    engine.client.redis.hset(record, mapping={"task": gone})
    engine.client.redis.set(engine.client.keys("payload", first.id), signed)
    drain()
    assert engine.inspector.job(first.id).state is State.SCHEDULED
    clock.move(seconds=engine.options.unknown_task_grace + 61)
    engine.queues.promote()
    drain()
    assert found(engine, workflow.id)[0] == ("failed", "task_unknown")
    assert found(engine, workflow.id)[1][0] == "cancelled"
    assert_consistent(engine)


def test_tag_reaches_waiting_members(engine: Engine) -> None:
    workflow = chain(flow.number.s(1), flow.double.using(tags=["t"]).s(), flow.echo.s()).enqueue()
    assert cancel_tagged("t").cancelled == 1
    drain()
    states = [state for state, _ in found(engine, workflow.id)]
    assert states == ["succeeded", "cancelled", "cancelled"]
    workflow.refresh()
    assert workflow.state == "failed"
    assert_consistent(engine)


def test_expiry_counts_from_the_enqueue(engine: Engine, clock: Clock) -> None:
    """What precedes a member takes of its time."""
    late = flow.double.using(expires=timedelta(minutes=10))
    workflow = chain(flow.number.s(1), late.s(), flow.echo.s()).enqueue()
    clock.move(seconds=601)
    drain()
    assert found(engine, workflow.id)[1] == ("cancelled", "expired")
    workflow.refresh()
    assert (workflow.state, workflow.progress) == ("failed", (3, 3, 2))
    assert_consistent(engine)


def test_limit_and_rate_hold_for_members(engine: Engine, clock: Clock) -> None:
    """A member that is skipped has not succeeded; one that is delayed is only late."""
    rated = flow.double.using(rate=Rate("1/m", key="flow-members"))
    one = flow.number.using(concurrency=Limit(1, key="flow-members"))
    workflow = group(chain(one.s(n), rated.s()) for n in (1, 2)).then(flow.total.s()).enqueue()
    drain()
    assert workflow.progress == (0, 5, 0)
    workflow.refresh()
    assert workflow.progress == (3, 5, 0)
    clock.move(seconds=61)
    engine.queues.promote()
    engine.limits.admit()
    drain()
    assert workflow.wait(30) == 6
    assert_consistent(engine)
