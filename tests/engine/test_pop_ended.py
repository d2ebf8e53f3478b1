"""pop_ended: jobs that ended without a slot, each taken once."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import FINAL, Outcome, State
from tests.support.clock import Clock
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    everything,
    finish,
    full_memory,
    nothing,
)

TIMED_OUT = RunResult(Outcome.FAILED, reason="timed_out")


def taken(engine: Engine, limit: int = 500) -> list[Job]:
    """Take what has ended; return the jobs, all of which must be final."""
    jobs = [job for job in engine.queues.pop_ended(limit).values() if job is not None]
    assert {job.state for job in jobs} <= FINAL
    return jobs


def release(engine: Engine, *, lost: bool = True) -> None:
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=lost, reason="killed_9")


@pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED, State.WAITING])
def test_job_cancelled_before_it_ran_is_taken_once(
    engine: Engine, job_in: Make, state: State
) -> None:
    """With all that is known of it."""
    job_id = job_in(state)
    assert not engine.queues.has_ended()
    engine.jobs.cancel(job_id, "by_user")
    assert engine.queues.has_ended()
    shown = engine.inspector.job(job_id)

    assert engine.queues.pop_ended(10) == {job_id: shown}

    assert (shown.state, shown.reason) == (State.CANCELLED, "by_user")
    assert shown.payload is not None
    assert not engine.queues.has_ended()
    assert engine.queues.pop_ended(10) == {}


def test_repeated_cancel_notes_nothing(engine: Engine, make_job: Make) -> None:
    """The job was told of when it ended."""
    job_id = make_job()
    engine.jobs.cancel(job_id)
    taken(engine)
    engine.jobs.cancel(job_id)
    assert not engine.queues.has_ended()


def test_process_lost_too_often(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Only the last release ends the job."""
    job_id = make_job(max_recoveries=1)
    claimed(engine, slot)
    release(engine)
    assert not engine.queues.has_ended()
    claimed(engine, slot)
    release(engine)
    release(engine)

    (job,) = taken(engine)

    assert (job.id, job.state, job.reason) == (job_id, State.FAILED, "killed_9")
    assert [run.outcome for run in job.runs] == ["recovered"] * 2


@pytest.mark.parametrize("lost", [True, False])
def test_cancelled_run_whose_process_ended(
    engine: Engine, slot: Slot, make_job: Make, lost: bool
) -> None:
    job_id = make_job()
    claimed(engine, slot)
    engine.jobs.cancel(job_id)
    assert not engine.queues.has_ended()
    release(engine, lost=lost)
    assert [(job.id, job.state) for job in taken(engine)] == [(job_id, State.CANCELLED)]


@pytest.mark.parametrize("cancelled", [True, False])
def test_reaped_run(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, cancelled: bool
) -> None:
    """One that is queued again has not ended."""
    last, again = make_job(max_recoveries=0), make_job()
    claimed(engine, slot)
    claimed(engine, Slot("worker-1", "0.1"))
    if cancelled:
        engine.jobs.cancel(last)
    clock.move(40)
    states = engine.queues.reap(**REAP).states
    ended = State.CANCELLED if cancelled else State.FAILED
    assert states == {last: ended, again: State.QUEUED}
    assert [(job.id, job.state) for job in taken(engine)] == [(last, ended)]


def test_run_lost_before_its_process_heard_of_it(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """The next claim of the slot ends it."""
    job_id = make_job(max_recoveries=0)
    claimed(engine, slot)
    nothing(engine, Slot("worker-1", "0.0"))
    assert [(job.id, job.reason) for job in taken(engine)] == [(job_id, "lost")]


@pytest.mark.parametrize(
    "meet", [lambda engine: nothing(engine, Slot("worker-1", "0.0")), lambda engine: None]
)
def test_damaged_job_has_ended(
    engine: Engine, clock: Clock, make_job: Make, meet: Callable[[Engine], object]
) -> None:
    """Whoever meets it: a claim or a promotion."""
    due = None if meet(engine) else timedelta(seconds=1)
    job_id = make_job(due=due)
    engine.client.redis.hdel(engine.client.keys("job", job_id), "state")
    clock.move(2)
    if due is None:
        nothing(engine, Slot("worker-1", "0.0"))
    else:
        engine.queues.promote()
    (job,) = taken(engine)
    assert (job.id, job.state, job.reason) == (job_id, State.FAILED, "damaged")
    assert job.payload is not None


@pytest.mark.parametrize("settled", [DONE, FAILED, RunResult(Outcome.CANCELLED)])
def test_slot_tells_of_its_own_runs(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult
) -> None:
    """Nothing is noted."""
    make_job()
    finish(engine, slot, claimed(engine, slot), settled)
    assert not engine.queues.has_ended()


@pytest.mark.parametrize(("settled", "ends"), [(TIMED_OUT, True), (RETRIED, False)])
def test_supervisor_finishes_a_run(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult, ends: bool
) -> None:
    """It sends no signal: an end is noted, once, and a retry is none."""
    job_id = make_job()
    job = claimed(engine, slot)
    assert engine.claims.finish(slot, job, settled, [], untold=True).reply == "ok"
    assert [one.id for one in taken(engine)] == [job_id] * ends
    assert engine.claims.finish(slot, job, settled, [], untold=True).reply == "repeated"
    assert not engine.queues.has_ended()


def test_cancelled_job_is_released_at_a_stop(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its slot did not run it, and has nothing to tell."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id)
    assert engine.claims.finish(slot, job, RELEASED, [], untold=True).reply == "cancelled"
    assert [one.id for one in taken(engine)] == [job_id]


def test_requeued_job_has_not_ended(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its next end is told, by whoever ends it."""
    job_id = make_job()
    engine.jobs.cancel(job_id)
    engine.jobs.requeue(job_id)
    assert not engine.queues.has_ended()
    finish(engine, slot, claimed(engine, slot))
    assert taken(engine) == []


def test_job_that_is_gone_is_not_told_of(engine: Engine, clock: Clock, make_job: Make) -> None:
    """Whether it was deleted or trimmed."""
    deleted, trimmed = make_job(), make_job()
    for job_id in (deleted, trimmed):
        engine.jobs.cancel(job_id)
    engine.jobs.delete(deleted)
    clock.move(400 * 86_400)
    assert engine.queues.trim().removed == 1
    assert not engine.queues.has_ended()


def test_oldest_are_taken_first(engine: Engine, clock: Clock, make_job: Make) -> None:
    """As many as are asked for."""
    ids = [make_job() for _ in range(3)]
    for job_id in reversed(ids):
        engine.jobs.cancel(job_id)
        clock.move(1)
    assert [job.id for job in taken(engine, 2)] == [ids[2], ids[1]]
    assert [job.id for job in taken(engine, 2)] == [ids[0]]


def test_more_than_can_be_kept_are_counted(engine: Engine, make_job: Make) -> None:
    """The oldest are dropped."""
    kept, last = make_job(), make_job()
    client, key = engine.client.redis, engine.client.keys("ended")
    client.zadd(key, {f"older-{n}": n for n in range(9_999)})
    engine.jobs.cancel(kept)
    assert client.zcard(key) == 10_000
    assert "untold" not in engine.inspector.totals()

    engine.jobs.cancel(last)

    assert client.zcard(key) == 10_000
    assert client.zscore(key, "older-0") is None
    assert engine.inspector.totals()["untold"] == 1
    client.zremrangebyscore(key, 0, 9_999)
    assert {job.id for job in taken(engine)} == {kept, last}


def test_what_is_not_final_is_dropped(engine: Engine, make_job: Make) -> None:
    """A note that somebody else made, or left, misleads nobody."""
    job_id, key = make_job(), engine.client.keys("ended")
    engine.client.redis.zadd(key, {job_id: 1, "unknown": 2})
    assert engine.queues.pop_ended(10) == {job_id: None, "unknown": None}
    assert not engine.queues.has_ended()


def test_key_of_another_type_is_replaced(engine: Engine, make_job: Make) -> None:
    """It hinders no transition, and holds up nobody."""
    first, second, third = make_job(), make_job(), make_job()
    client, key = engine.client.redis, engine.client.keys("ended")
    client.set(key, "nonsense")
    assert not engine.queues.has_ended()
    assert engine.queues.pop_ended(10) == {}
    engine.jobs.delete(third)
    engine.jobs.cancel(first)
    engine.jobs.cancel(second)
    assert {job.id for job in taken(engine)} == {first, second}


def test_full_memory_hinders_nobody(engine: Engine, make_job: Make) -> None:
    """Operators cancel then, and are told of it."""
    job_id = make_job()
    with full_memory(engine):
        engine.jobs.cancel(job_id)
        assert [job.id for job in taken(engine)] == [job_id]


def test_reading_changes_nothing(engine: Engine, make_job: Make) -> None:
    engine.jobs.cancel(make_job())
    before = everything(engine)
    assert engine.queues.has_ended()
    assert everything(engine) == before
