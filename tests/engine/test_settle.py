"""settle: a durable job gets the state that its row in the database has."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import FINAL, State
from tests.support.places import (
    FAILED,
    Make,
    claimed,
    everything,
    finish,
    full_memory,
    places,
    record,
)

MOVES = [
    (before, after)
    for before in State
    for after in sorted(FINAL)
    if before is not State.RUNNING and before is not after
]


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_job_moves_to_the_state_of_its_row(
    engine: Engine, job_in: Make, before: State, after: State
) -> None:
    """All indexes follow, and whoever waits for its end is told."""
    job_id = job_in(before, round=2)
    engine.queues.pop_ended(10)

    assert engine.unsettled.settle(job_id, 2, after, "by_row", '"value"') is after

    wanted = {str(after): {"default": [job_id]}}
    if after is State.FAILED:
        wanted["failed-of"] = {"tests.project.tasks.noop": [job_id]}
    assert places(engine) == wanted
    job = engine.inspector.job(job_id)
    assert (job.state, job.reason, job.result) == (after, "by_row", b'"value"')
    assert job.finished_at
    assert engine.queues.has_ended() is not before.is_final


def test_success_without_a_run_counts_none(engine: Engine, job_in: Make) -> None:
    """It is not told as that of a first run."""
    job_id = job_in(State.QUEUED, round=1)
    engine.unsettled.settle(job_id, 1, State.SUCCEEDED, "", "")
    job = engine.inspector.job(job_id)
    assert (job.attempts, job.runs, job.result) == (1, (), None)


def test_attempts_are_kept(engine: Engine, slot: Slot, make_job: Make) -> None:
    job_id = make_job(round=1, max_attempts=3)
    finish(engine, slot, claimed(engine, slot), FAILED._replace(value=b"1"))
    record(engine, job_id)
    engine.unsettled.settle(job_id, 1, State.SUCCEEDED, "", "")
    job = engine.inspector.job(job_id)
    assert (job.attempts, len(job.runs), job.result) == (1, 1, None)


@pytest.mark.parametrize("state", [State.RUNNING, State.QUEUED, State.FAILED])
@pytest.mark.parametrize("round", [1, 3])
def test_job_of_another_round_is_left(
    engine: Engine, job_in: Make, state: State, round: int
) -> None:
    job_id = job_in(state, round=2)
    before = everything(engine)
    assert engine.unsettled.settle(job_id, round, State.CANCELLED, "by_row", "") is state
    assert everything(engine) == before


def test_running_job_is_left(engine: Engine, job_in: Make) -> None:
    """Its slot ends it."""
    job_id = job_in(State.RUNNING, round=1)
    before = everything(engine)
    assert engine.unsettled.settle(job_id, 1, State.FAILED, "by_row", "") is State.RUNNING
    assert everything(engine) == before


def test_same_call_again_changes_nothing(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.FAILED, round=1)
    engine.unsettled.settle(job_id, 1, State.SUCCEEDED, "", "1")
    before = everything(engine)
    assert engine.unsettled.settle(job_id, 1, State.SUCCEEDED, "", "1") is State.SUCCEEDED
    assert everything(engine) == before


def test_unknown_job(engine: Engine) -> None:
    with pytest.raises(JobNotFound):
        engine.unsettled.settle(new_id(), 1, State.FAILED, "", "")


def test_full_server_can_be_told(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.QUEUED, round=1)
    with full_memory(engine):
        assert engine.unsettled.settle(job_id, 1, State.FAILED, "by_row", "1") is State.FAILED
