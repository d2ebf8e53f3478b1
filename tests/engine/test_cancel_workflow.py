"""cancel_workflow: what has not run is cancelled, what runs is told to end."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import new_id
from tests.support.consistency import assert_consistent
from tests.support.flows import EVENTS, FAN, SLOT, run_all, started, states
from tests.support.places import DONE, claimed, everything, full_memory, record


def test_cancel_of_a_workflow(engine: Engine) -> None:
    """What runs is told to end; nothing is released meanwhile."""
    workflow, jobs = started(engine, FAN, EVENTS)
    job = claimed(engine, SLOT)
    assert engine.workflows.cancel(workflow)
    assert states(engine, jobs[:4]) == ["running", "cancelled", "cancelled", "cancelled"]
    assert record(engine, job.id)["cancel"] == "cancelled"
    engine.claims.finish(SLOT, job, DONE, [])
    assert run_all(engine, DONE) == ["on_done"]
    assert engine.workflows.read(workflow).state == "cancelled"
    assert_consistent(engine)
    assert not engine.workflows.cancel(new_id())


def test_full_server_cancels(engine: Engine) -> None:
    workflow, jobs = started(engine, FAN)
    with full_memory(engine):
        assert engine.workflows.cancel(workflow)
    assert states(engine, jobs) == ["cancelled"] * 4


def test_wrong_reason_is_refused(engine: Engine) -> None:
    workflow, _ = started(engine, FAN)
    before = everything(engine)
    with pytest.raises(QueueUnavailable, match="reason is"):
        engine.workflows.cancel(workflow, "two words")
    assert everything(engine) == before


def test_workflow_that_has_ended_stays(engine: Engine) -> None:
    workflow, _ = started(engine, FAN)
    run_all(engine, DONE)
    before = everything(engine)
    assert engine.workflows.cancel(workflow)
    assert everything(engine) == before
