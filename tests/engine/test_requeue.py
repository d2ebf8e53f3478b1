"""requeue: a final job runs once more from the start, a scheduled one now."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import FINAL, State
from tests.support.clock import Clock
from tests.support.places import (
    DONE,
    FAILED,
    HELD,
    RETRIED,
    Make,
    claimed,
    drop_tokens,
    everything,
    finish,
    full_memory,
    places,
    record,
    tokens,
)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_final_job_goes_to_the_end_of_its_queue(engine: Engine, job_in: Make, state: State) -> None:
    """Index, record and the task's failures agree."""
    job_id, other = job_in(state), job_in(State.QUEUED)
    drop_tokens(engine)

    assert engine.jobs.requeue(job_id) is State.QUEUED

    assert places(engine) == {"queued": {"default": [other, job_id]}}
    assert tokens(engine) == 1


def test_requeued_job_starts_from_zero(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Attempts and recoveries are given anew; what happened stays on record."""
    job_id = make_job(max_recoveries=0)
    first = claimed(engine, slot)
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed")
    assert record(engine, job_id)["state"] == "failed"

    engine.jobs.requeue(job_id)

    job = engine.inspector.job(job_id)
    assert (job.attempts, job.recoveries, job.reason) == (0, 0, "")
    assert (job.started_at, job.attempted_at, job.finished_at) == (None, 0, None)
    assert [run.outcome for run in job.runs] == ["recovered", "requeued"]
    assert job.current_runs == ()
    again = claimed(engine, slot)
    assert (again.attempt, again.recoveries) == (1, 0)
    assert again.fence.startswith("2-")
    assert again.fence != first.fence


def test_used_attempts_are_given_anew(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A job that failed for good may fail as often again."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), FAILED)
    assert engine.inspector.job(job_id).attempts == 1

    engine.jobs.requeue(job_id)

    assert engine.inspector.job(job_id).attempts == 0
    assert claimed(engine, slot).attempt == 1


def test_grace_of_an_unknown_task_is_given_anew(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A job that was cancelled while it was held may be held as long again."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), HELD)
    engine.jobs.cancel(job_id)
    assert engine.inspector.job(job_id).held_since is not None

    engine.jobs.requeue(job_id)

    assert claimed(engine, slot).held_since is None


def test_old_result_and_progress_go(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A second run starts with nothing of the first."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.progress(job_id, job.fence, 1, 2, "half")
    finish(engine, slot, job, DONE._replace(value=b"1"))

    engine.jobs.requeue(job_id)

    shown = engine.inspector.job(job_id)
    assert (shown.result, shown.progress) == (None, None)


def test_late_finish_of_the_first_life_changes_nothing(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """The old fence has no power over the new run."""
    job_id = make_job()
    old = claimed(engine, slot)
    finish(engine, slot, old, FAILED)
    engine.jobs.requeue(job_id)
    new = claimed(engine, Slot("worker-2", "0.0"))
    before = record(engine, job_id)

    assert finish(engine, slot, old) == "stale"
    assert record(engine, job_id) == before
    assert finish(engine, Slot("worker-2", "0.0"), new) == "ok"


def test_scheduled_job_runs_now(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A retry that is brought forward keeps its attempts."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), RETRIED)

    assert engine.jobs.requeue(job_id) is State.QUEUED

    assert places(engine) == {"queued": {"default": [job_id]}}
    assert claimed(engine, slot).attempt == 2


def test_priority_is_kept(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Last within its priority, not last of all."""
    job_id = make_job(priority=10)
    finish(engine, slot, claimed(engine, slot), FAILED)
    low = make_job()

    engine.jobs.requeue(job_id)

    assert places(engine) == {"queued": {"default": [job_id, low]}}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.WAITING])
def test_other_states_stay(engine: Engine, job_in: Make, state: State) -> None:
    """The answer is the state that the job has."""
    job_id = job_in(state)
    before = everything(engine)

    assert engine.jobs.requeue(job_id) is state
    assert everything(engine) == before


def test_failed_job_of_no_known_task_is_requeued(engine: Engine, job_in: Make) -> None:
    """Its record is damaged: what runs it says so."""
    job_id = job_in(State.FAILED)
    client, keys = engine.client.redis, engine.client.keys
    client.delete(keys("failed-of", record(engine, job_id)["task"]), keys("failed-tasks"))
    client.hdel(keys("job", job_id), "task")

    assert engine.jobs.requeue(job_id) is State.QUEUED
    assert places(engine) == {"queued": {"default": [job_id]}}


def test_same_call_again_changes_nothing(engine: Engine, clock: Clock, job_in: Make) -> None:
    """A lost reply does not move the job once more."""
    job_id = job_in(State.FAILED)
    engine.jobs.requeue(job_id)
    before = everything(engine)
    clock.move(90)

    assert engine.jobs.requeue(job_id) is State.QUEUED
    assert everything(engine) == before


def test_same_call_again_after_the_run_changes_nothing(
    engine: Engine, slot: Slot, job_in: Make
) -> None:
    """A client repeats its call when the reply was lost; a slot may be quicker than that."""
    job_id = job_in(State.FAILED)
    engine.jobs.requeue(job_id, nonce="once")
    finish(engine, slot, claimed(engine, slot))
    before = everything(engine)

    assert engine.jobs.requeue(job_id, nonce="once") is State.SUCCEEDED
    assert everything(engine) == before
    assert engine.jobs.requeue(job_id) is State.QUEUED


def test_retry_that_was_brought_forward_is_not_again(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """The same call again leaves the next retry its time."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), RETRIED)
    engine.jobs.requeue(job_id, nonce="once")
    finish(engine, slot, claimed(engine, slot), RETRIED)

    assert engine.jobs.requeue(job_id, nonce="once") is State.SCHEDULED


def test_unknown_id_is_refused(engine: Engine) -> None:
    """The message names the id."""
    job_id = new_id()
    with pytest.raises(JobNotFound, match=job_id):
        engine.jobs.requeue(job_id)


def test_requeue_works_at_maxmemory(engine: Engine, job_in: Make) -> None:
    """The job is stored already."""
    job_id = job_in(State.FAILED)
    with full_memory(engine):
        assert engine.jobs.requeue(job_id) is State.QUEUED
