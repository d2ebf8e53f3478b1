"""cancel: a job that has not started never does."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.workers import Nothing, Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.job import State, new_id
from tests.conftest import Clock

from .places import (
    RETRIED,
    Make,
    claimed,
    counted,
    everything,
    finish,
    full_memory,
    nothing,
    places,
)


@pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED, State.WAITING])
def test_job_that_has_not_started_is_cancelled(engine: Engine, seed: Make, state: State) -> None:
    """It leaves its index for that of the cancelled ones, with the reason."""
    job_id, other = seed(state), seed(state)

    assert engine.jobs.cancel(job_id, "by_user") is State.CANCELLED

    assert places(engine) == {"cancelled": {"default": [job_id]}, state.value: {"default": [other]}}
    job = engine.inspector.job(job_id)
    assert (job.state, job.reason) == (State.CANCELLED, "by_user")
    assert job.finished_at is not None
    assert counted(engine, "cancelled") == 1


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_other_states_stay(engine: Engine, seed: Make, state: State) -> None:
    """The answer is the state that the job has."""
    job_id = seed(state)
    before = everything(engine)

    assert engine.jobs.cancel(job_id) is state
    assert everything(engine) == before


def test_cancelled_job_is_never_claimed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """There is nothing left to claim."""
    engine.jobs.cancel(make_job())
    assert nothing(engine, slot) == Nothing()


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
