"""progress: how far a run has come."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from tests.support.places import Make, claimed, everything, finish, record


def test_progress_is_shown(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The latest report counts; the text may be anything."""
    job_id = make_job()
    job = claimed(engine, slot)

    assert engine.jobs.progress(job_id, job.fence, 1, 10, "")
    assert engine.inspector.job(job_id).progress == (1, 10, "")
    assert engine.jobs.progress(job_id, job.fence, 2, 10, "réading  line 5")
    assert engine.inspector.job(job_id).progress == (2, 10, "réading  line 5")
    assert "progress" not in record(engine, job_id)


def test_progress_stays_with_the_finished_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """People see how far a failed job came."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.progress(job_id, job.fence, 3, 4, "almost")
    finish(engine, slot, job)

    assert engine.inspector.job(job_id).progress == (3, 4, "almost")


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_job_that_does_not_run_takes_none(engine: Engine, job_in: Make, state: State) -> None:
    """A run that lost its lease hears so."""
    job_id = job_in(state)
    before = everything(engine)

    fence = record(engine, job_id).get("fence", "1-0")
    assert not engine.jobs.progress(job_id, fence, 1, 2, "late")
    assert everything(engine) == before


def test_old_fence_does_not_overwrite_its_successor(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Only the holder of the lease reports."""
    job_id = make_job()
    old = claimed(engine, slot)
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed")
    new = claimed(engine, slot)
    engine.jobs.progress(job_id, new.fence, 1, 2, "new")

    assert not engine.jobs.progress(job_id, old.fence, 2, 2, "old")
    assert engine.inspector.job(job_id).progress == (1, 2, "new")


def test_unknown_job_takes_none(engine: Engine) -> None:
    """A deleted job leaves no progress behind."""
    before = everything(engine)
    assert not engine.jobs.progress("nobody", "1-0", 1, 2, "")
    assert everything(engine) == before
