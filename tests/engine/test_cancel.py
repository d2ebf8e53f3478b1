"""cancel: a job that has not started never does, one that runs is told to end."""

import io

import pytest
from django.core.management import CommandError, call_command

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Lease, NoJob, Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
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
    places,
)


@pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED, State.WAITING])
def test_job_that_has_not_started_is_cancelled(engine: Engine, job_in: Make, state: State) -> None:
    """It leaves its index for that of the cancelled ones, with the reason."""
    job_id, other = job_in(state), job_in(state)

    assert engine.jobs.cancel(job_id, "by_user") is State.CANCELLED

    assert places(engine) == {"cancelled": {"default": [job_id]}, state.value: {"default": [other]}}
    job = engine.inspector.job(job_id)
    assert (job.state, job.reason) == (State.CANCELLED, "by_user")
    assert job.finished_at is not None


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_other_states_stay(engine: Engine, job_in: Make, state: State) -> None:
    """The answer is the state that the job has."""
    job_id = job_in(state)
    before = everything(engine)

    assert engine.jobs.cancel(job_id) is state
    assert everything(engine) == before


def test_cancelled_job_is_never_claimed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """There is nothing left to claim."""
    engine.jobs.cancel(make_job())
    assert nothing(engine, slot) == NoJob()


def test_retry_can_be_cancelled(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its attempts so far stay on record."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), RETRIED)

    assert engine.jobs.cancel(job_id) is State.CANCELLED
    assert len(engine.inspector.job(job_id).runs) == 1


def test_same_call_again_changes_nothing(engine: Engine, clock: Clock, make_job: Make) -> None:
    """A lost reply does no harm, the first time counts."""
    job_id = make_job()
    engine.jobs.cancel(job_id)
    before = everything(engine)
    clock.move(90)

    assert engine.jobs.cancel(job_id) is State.CANCELLED
    assert everything(engine) == before


def test_unknown_id_is_refused(engine: Engine) -> None:
    """The message names the id."""
    job_id = new_id()
    with pytest.raises(JobNotFound, match=job_id):
        engine.jobs.cancel(job_id)
    assert places(engine) == {}


def test_cancel_works_at_maxmemory(engine: Engine, make_job: Make) -> None:
    """Operators can thin out a queue that fills the server."""
    job_id = make_job()
    with full_memory(engine):
        assert engine.jobs.cancel(job_id) is State.CANCELLED


def test_running_job_is_told_to_end(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It stays with the job, and its worker is called."""
    job_id = make_job()
    job = claimed(engine, slot)

    assert engine.jobs.cancel(job_id, "by_user") is State.RUNNING

    assert places(engine) == {"leases": {"default": [job_id]}}
    assert engine.inspector.job(job_id).cancelling
    assert engine.leases.take_renewal_request(slot.worker)
    assert not engine.leases.take_renewal_request(slot.worker)
    assert engine.leases.renew(slot.worker, {"pid": 1}).held == [
        Lease(slot.name, job_id, job.fence, cancelled=True)
    ]


def test_run_of_no_known_worker_is_told_to_end(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its record is damaged: nobody can be called, and the next renewal tells it."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.client.redis.hdel(engine.client.keys("job", job_id), "worker")

    assert engine.jobs.cancel(job_id) is State.RUNNING
    assert engine.leases.renew(slot.worker, {"pid": 1}).held == [
        Lease(slot.name, job_id, job.fence, cancelled=True)
    ]


@pytest.mark.parametrize("settled", [RETRIED, RELEASED, RunResult(Outcome.CANCELLED)])
def test_no_other_run_follows(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult
) -> None:
    """However this one ends, but for success and failure."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id, "by_user")

    assert finish(engine, slot, job, settled) == "cancelled"

    assert places(engine) == {"cancelled": {"default": [job_id]}}
    found = engine.inspector.job(job_id)
    assert (found.state, found.reason, found.cancelling) == (State.CANCELLED, "by_user", False)
    assert found.attempts == (0 if settled == RELEASED else 1)
    assert finish(engine, slot, job, settled) == "repeated"


@pytest.mark.parametrize("settled", [DONE, FAILED])
def test_run_that_ends_first_counts(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult
) -> None:
    """The task had done its work, or failed for good."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id)

    assert finish(engine, slot, job, settled) == "ok"
    assert engine.inspector.job(job_id).state.value == settled.outcome


@pytest.mark.parametrize("lost", [True, False])
def test_lost_run_is_not_repeated(engine: Engine, slot: Slot, make_job: Make, lost: bool) -> None:
    """Its process died before it could obey."""
    job_id = make_job()
    claimed(engine, slot)
    engine.jobs.cancel(job_id, "by_user")

    moved = engine.leases.release_slot(slot, lost=lost, reason="killed_9")

    assert moved == [job_id, "cancelled"]
    found = engine.inspector.job(job_id)
    assert (found.reason, found.recoveries) == ("by_user", int(lost))


def test_reaped_run_is_not_repeated(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Nor one whose whole worker is gone."""
    job_id = make_job()
    claimed(engine, slot)
    engine.jobs.cancel(job_id)
    clock.move(40)

    assert engine.queues.reap(**REAP).states == {job_id: "cancelled"}


def test_requeued_job_runs_again(engine: Engine, slot: Slot, make_job: Make) -> None:
    """What was asked of an earlier run is forgotten."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id)
    finish(engine, slot, job, RETRIED)
    engine.jobs.requeue(job_id)

    again = claimed(engine, slot)
    assert not engine.inspector.job(job_id).cancelling
    assert finish(engine, slot, again, RETRIED) == "ok"


def test_running_job_is_cancelled_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It may be what fills the server."""
    job_id = make_job()
    claimed(engine, slot)
    with full_memory(engine):
        assert engine.jobs.cancel(job_id) is State.RUNNING
    assert engine.inspector.job(job_id).cancelling


def test_worker_that_goes_takes_its_call_along(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Nothing stays of it."""
    job = make_job()
    claimed(engine, slot)
    engine.jobs.cancel(job)
    engine.leases.release_slot(slot, lost=False, reason="")
    engine.leases.forget(slot.worker)
    assert not any(name.startswith("renew_now") for name in everything(engine))


@pytest.mark.django_db
def test_command_cancels(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It says what was done; the exit code tells whether all were there."""
    runs, waits, missing = make_job(), make_job(), new_id()
    claimed(engine, slot)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 job no longer exists"):
        call_command("jobqueue", "cancel", runs, waits, missing, stdout=out)
    assert out.getvalue().splitlines() == [
        "1 job cancelled.",
        "1 running job was told to end.",
    ]
