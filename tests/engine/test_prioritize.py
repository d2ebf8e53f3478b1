"""prioritize: a queued or scheduled job gets another priority."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.places import (
    Make,
    everything,
    full_memory,
    next_ids,
    places,
    record,
    score,
)

MOVABLE = (State.QUEUED, State.SCHEDULED)


def test_queued_job_gets_the_last_place_of_its_priority(engine: Engine, make_job: Make) -> None:
    low, urgent, first = make_job(), make_job(), make_job(priority=7)
    assert engine.edits.prioritize(urgent, 7) is None
    assert record(engine, urgent)["priority"] == "7"
    assert next_ids(engine, 3) == [first, urgent, low]


def test_priority_can_be_taken_back(engine: Engine, make_job: Make) -> None:
    first, second = make_job(priority=7), make_job()
    engine.edits.prioritize(first, 0)
    assert next_ids(engine, 2) == [second, first]


def test_scheduled_job_keeps_its_time(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.SCHEDULED)
    due = score(engine, "scheduled", job_id)
    assert engine.edits.prioritize(job_id, -3) is None
    assert score(engine, "scheduled", job_id) == due
    assert record(engine, job_id)["priority"] == "-3"


@pytest.mark.parametrize("state", [state for state in State if state not in MOVABLE])
def test_job_in_another_state_stays(engine: Engine, job_in: Make, state: State) -> None:
    job_id = job_in(state)
    before = everything(engine)
    assert engine.edits.prioritize(job_id, 7) is state
    assert everything(engine) == before


@pytest.mark.parametrize("state", MOVABLE)
def test_full_server_takes_it(engine: Engine, job_in: Make, state: State) -> None:
    """What stands there already can be put in order."""
    job_id = job_in(state)
    with full_memory(engine):
        assert engine.edits.prioritize(job_id, 7) is None
    assert record(engine, job_id)["priority"] == "7"


def test_same_call_again_changes_nothing(engine: Engine, make_job: Make) -> None:
    job_id = make_job()
    engine.edits.prioritize(job_id, 7)
    before = everything(engine)
    assert engine.edits.prioritize(job_id, 7) is None
    assert everything(engine) == before


def test_unknown_job_is_told(engine: Engine) -> None:
    with pytest.raises(JobNotFound):
        engine.edits.prioritize(new_id(), 7)
    assert not places(engine)


@pytest.mark.parametrize("priority", [101, -101, 10**16])
def test_priority_out_of_bounds_is_refused(engine: Engine, make_job: Make, priority: int) -> None:
    job_id = make_job()
    before = everything(engine)
    with pytest.raises(QueueUnavailable, match="priority is"):
        engine.edits.prioritize(job_id, priority)
    assert everything(engine) == before
