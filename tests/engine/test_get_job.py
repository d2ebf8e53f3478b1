"""get_job: all of one job at one instant."""

from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.places import DONE, Make, claimed, everything, finish, score


def test_new_job_is_shown(engine: Engine, make_job: Make) -> None:
    """What was stored comes back, the rest has its defaults."""
    job_id = make_job(task="a.b", queue="q", priority=-3, data=b"[]")

    job = engine.inspector.job(job_id)

    assert (job.id, job.state, job.queue, job.task, job.priority) == (
        job_id,
        State.QUEUED,
        "q",
        "a.b",
        -3,
    )
    assert (job.attempts, job.max_attempts, job.recoveries, job.max_recoveries) == (0, 1, 0, 2)
    assert (job.started_at, job.finished_at, job.due_at, job.result, job.runs) == (
        None,
        None,
        None,
        None,
        (),
    )
    assert job.payload is not None
    assert job.payload.endswith(b".[]")


def test_due_time_of_a_scheduled_job(engine: Engine, make_job: Make) -> None:
    """To the millisecond."""
    job_id = make_job(due=timedelta(hours=1))
    assert engine.inspector.job(job_id).due_at == score(engine, "scheduled", job_id)


def test_finished_job_is_shown(engine: Engine, slot: Slot, make_job: Make) -> None:
    """With result and runs."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.progress(job_id, job.fence, 1, 1, "done")
    finish(engine, slot, job, DONE._replace(value=b'{"a":[]}'))

    shown = engine.inspector.job(job_id)

    assert (shown.state, shown.result, shown.attempts) == (State.SUCCEEDED, b'{"a":[]}', 1)
    assert shown.progress == (1, 1, "done")
    assert [run.outcome for run in shown.runs] == ["succeeded"]
    assert (shown.worker, shown.fence) == ("worker-1", job.fence)
    assert shown.attempted_at == shown.started_at == job.attempted_at


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_shown_and_nothing_changes(
    engine: Engine, job_in: Make, state: State
) -> None:
    """A look is no transition."""
    job_id = job_in(state)
    before = everything(engine)

    assert engine.inspector.job(job_id).state is state
    assert everything(engine) == before


def test_unknown_id_is_refused(engine: Engine) -> None:
    """The message names the id."""
    job_id = new_id()
    with pytest.raises(JobNotFound, match=job_id):
        engine.inspector.job(job_id)


@pytest.mark.parametrize("kind", ["payload", "result", "attempts", "progress"])
def test_part_of_another_type_hides_no_job(engine: Engine, make_job: Make, kind: str) -> None:
    """People must see a damaged job to delete it."""
    job_id = make_job(data=99 * b"x")
    key = engine.client.keys(kind, job_id)
    engine.client.redis.delete(key)
    engine.client.redis.hset(key, "not", "it")

    try:
        assert engine.inspector.job(job_id).state is State.QUEUED
    finally:
        engine.jobs.delete(job_id)


def test_record_of_another_type_is_no_job(engine: Engine, make_job: Make) -> None:
    """It is told as not found, and a claim ends it as failed."""
    job_id = make_job()
    engine.client.redis.set(engine.client.keys("job", job_id), "nonsense")

    try:
        with pytest.raises(JobNotFound):
            engine.inspector.job(job_id)
    finally:
        engine.claims.claim(Slot("worker-1", "0.0"), ["default"])


def test_job_of_no_known_queue_is_shown(engine: Engine, make_job: Make) -> None:
    """Its record is damaged: whoever looks for it sees that."""
    job_id = make_job()
    client, key = engine.client.redis, engine.client.keys("job", job_id)
    queue = client.hget(key, "queue")
    client.hdel(key, "queue")
    assert engine.inspector.job(job_id).queue == ""
    client.hset(key, "queue", queue)
