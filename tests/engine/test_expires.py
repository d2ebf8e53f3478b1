"""expires: a job that was not started in time ends at its claim, without a run."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    finish,
    full_memory,
    nothing,
    places,
    record,
)


def test_job_that_was_not_started_in_time_is_cancelled(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The slot gets the next one; both kinds of time count by the server's clock."""
    server_now = engine.cached_results.latest("d").now
    late = [make_job(expires="+60000"), make_job(expires=str(server_now + 60_000))]
    other = make_job(expires="+61500")
    clock.move(60.5)

    assert claimed(engine, slot).id == other

    assert places(engine) == {"cancelled": {"default": late}, "leases": {"default": [other]}}
    for job_id in late:
        job = engine.inspector.job(job_id)
        assert (job.state, job.reason, job.attempts, job.runs) == (
            State.CANCELLED,
            "expired",
            0,
            (),
        )
    assert set(engine.queues.pop_ended(10)) == {*late}


def test_job_is_started_until_then(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    job_id = make_job(expires="+60000")
    clock.move(50)
    assert claimed(engine, slot).id == job_id


def test_finish_looks_too(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """It claims the next job; also a slot of all queues does."""
    make_job()
    job = claimed(engine, slot)
    late = make_job(expires="+1000")
    clock.move(2)
    assert engine.claims.finish(slot, job, DONE, ["*"])[2] == NoJob()
    assert engine.inspector.job(late).reason == "expired"


def test_expired_job_leaves_nothing_to_claim(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """No slot is woken for it, and its queue has no work."""
    make_job(expires="+1000")
    clock.move(2)
    assert nothing(engine, slot, "*") == NoJob()
    assert engine.client.redis.zcard(engine.client.keys("work")) == 0


def test_many_expired_jobs_are_ended_in_several_calls(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    for _ in range(60):
        make_job(expires="+1000")
    clock.move(2)
    assert nothing(engine, slot) == NoJob(more=True)
    assert engine.inspector.count(State.CANCELLED) == 50
    assert nothing(engine, slot) == NoJob()
    assert engine.inspector.count(State.CANCELLED) == 60


@pytest.mark.parametrize("end", [RETRIED, RELEASED])
def test_job_that_was_started_runs_on(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, end: object
) -> None:
    """A retry, and a job that its worker gave back, are not late."""
    job_id = make_job(expires="+1000", max_attempts=2)
    finish(engine, slot, claimed(engine, slot), end)  # type: ignore[arg-type]
    clock.move(3600)
    assert claimed(engine, slot).id == job_id


def test_job_that_was_lost_runs_again(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    job_id = make_job(expires="+1000")
    claimed(engine, slot)
    clock.move(60)
    engine.queues.reap(**REAP)
    assert claimed(engine, Slot("worker-2", "0.0")).id == job_id


def test_scheduled_job_expires_when_it_is_due(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Until then nobody looks at it."""
    server_now = engine.cached_results.latest("d").now
    job_id = make_job(due=server_now + 1000, expires="+2000")
    clock.move(10)
    assert nothing(engine, slot) == NoJob()
    assert engine.inspector.job(job_id).reason == "expired"


@pytest.mark.parametrize("end", [DONE, FAILED, None])
def test_requeued_job_has_all_time(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, end: object
) -> None:
    """Whoever requeues it wants it, an expired one too."""
    job_id = make_job(expires="+1000")
    if end:
        finish(engine, slot, claimed(engine, slot), end)  # type: ignore[arg-type]
    clock.move(10)
    if not end:
        nothing(engine, slot)
    engine.jobs.requeue(job_id)
    assert "expires" not in record(engine, job_id)
    assert claimed(engine, slot).id == job_id


def test_scheduled_job_that_is_run_now_keeps_its_time(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.SCHEDULED, expires="+9000000")
    engine.jobs.requeue(job_id)
    assert record(engine, job_id)["expires"] == "+9000000"


def test_end_of_a_durable_job_is_noted(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    job_id = make_job(expires="+1000", round=2)
    clock.move(2)
    nothing(engine, slot)
    (note,) = engine.unsettled.read(0, 10).values()
    assert note is not None
    assert note[:4] == (job_id, 2, State.CANCELLED, "expired")


def test_full_server_lets_jobs_expire(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Also in the call in which a run ends."""
    make_job()
    job = claimed(engine, slot)
    late = [make_job(expires="+1000"), make_job(expires="+1000")]
    clock.move(2)
    with full_memory(engine):
        engine.claims.finish(slot, job, DONE, ["default"])
        make = engine.claims.claim(slot, ["default"])
    assert make == NoJob()
    assert places(engine)["cancelled"] == {"default": late}


@pytest.mark.parametrize("text", ["x", "+", "", "-5", "+1.5", "1 2"])
def test_text_that_is_no_time_ends_nothing(
    engine: Engine, slot: Slot, make_job: Make, text: str
) -> None:
    """The record is damaged, and still shown."""
    job_id = make_job()
    engine.client.redis.hset(engine.client.keys("job", job_id), "expires", text)
    job = engine.inspector.job(job_id)
    assert (job.expires, job.expires_at) == ("", None)
    assert claimed(engine, slot).id == job_id


def test_relative_time_of_a_damaged_record_counts_from_now(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """It is not known when it was stored."""
    job_id = make_job(expires="+1000")
    engine.client.redis.hset(engine.client.keys("job", job_id), "enqueued_at", "x")
    assert claimed(engine, slot).id == job_id


def test_time_is_read(engine: Engine, make_job: Make) -> None:
    """A relative one counts from when the job was stored, and has no date before that."""
    job = engine.inspector.job(make_job(expires="+1500"))
    assert job.expires_at == job.enqueued_at + 1500
    assert engine.inspector.job(make_job(expires="1700000000000")).expires_at == 1_700_000_000_000
    assert engine.inspector.job(make_job()).expires_at is None
    assert Job("x", "a.b", expires="+1500").expires_at is None
    engine.client.redis.hset(
        engine.client.keys("job", job.id), "expires", "+99999999999999"
    )  # the year 5138, and later ones
    assert (engine.inspector.job(job.id).expires_at or 0) < 10**14
