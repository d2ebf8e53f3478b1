"""delete: a job goes with all that belongs to it."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.places import FAILED, Make, claimed, everything, finish, full_memory, places


def parts(engine: Engine, job_id: str) -> list[str]:
    return sorted(name for name in everything(engine) if name.endswith(job_id))


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_job_leaves_nothing(engine: Engine, job_in: Make, state: State) -> None:
    """Record, payload, result, runs and every index entry go; others stay."""
    job_id, other = job_in(state, data=99 * b"x"), job_in(state)
    before = places(engine)

    assert engine.jobs.delete(job_id)

    assert parts(engine, job_id) == []
    assert places(engine) == {
        index: {name: [other] for name in queues} for index, queues in before.items()
    }


def test_running_job_stays(engine: Engine, job_in: Make) -> None:
    """What runs can't be deleted under the feet of its worker."""
    job_id = job_in(State.RUNNING)
    before = everything(engine)

    assert not engine.jobs.delete(job_id)
    assert everything(engine) == before


def test_progress_and_log_go_too(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Nothing is left that no record leads to."""
    job_id = make_job(data=99 * b"x")  # its payload has a key
    job = claimed(engine, slot)
    engine.jobs.progress(job_id, job.fence, 1, 2, "half")
    engine.jobs.log(job_id, job.fence, "half")
    finish(engine, slot, job, FAILED)
    assert len(parts(engine, job_id)) == 5

    engine.jobs.delete(job_id)

    assert parts(engine, job_id) == []


def test_same_call_again_finds_nothing(engine: Engine, job_in: Make) -> None:
    """The second call says that there is no such job, and changes nothing."""
    job_id = job_in(State.QUEUED)
    engine.jobs.delete(job_id)
    before = everything(engine)

    with pytest.raises(JobNotFound, match=job_id):
        engine.jobs.delete(job_id)
    assert everything(engine) == before


def test_unknown_id_is_refused(engine: Engine) -> None:
    """The message names the id."""
    job_id = new_id()
    with pytest.raises(JobNotFound, match=job_id):
        engine.jobs.delete(job_id)


def test_deleted_id_can_be_stored_again(engine: Engine, make_job: Make, job_in: Make) -> None:
    """Nothing of the old job is left in the way."""
    job_in(State.FAILED)
    (job_id,) = places(engine)["failed"]["default"]
    engine.jobs.delete(job_id)
    make_job()
    assert list(places(engine)) == ["queued"]


def test_delete_works_at_maxmemory(engine: Engine, job_in: Make) -> None:
    """What frees memory is never refused."""
    job_id = job_in(State.QUEUED)
    with full_memory(engine):
        assert engine.jobs.delete(job_id)
