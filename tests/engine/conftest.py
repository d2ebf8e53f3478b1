"""Fixtures of the engine's tests: jobs in each state."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from tests.support.places import Make, claimed, finish


@pytest.fixture
def job_in(engine: Engine, make_job: Make) -> Callable[..., str]:
    """Store a job, bring it into a state and return its id; no other may be queued."""

    def make(state: State, queue: str = "default", **given: object) -> str:
        if state is State.SCHEDULED:
            return make_job(queue=queue, due=timedelta(hours=1), **given)
        job_id = make_job(queue=queue, **given)
        if state is State.CANCELLED:
            engine.jobs.cancel(job_id)
        elif state is State.WAITING:
            park(engine, job_id, queue)
        elif state is not State.QUEUED:
            slot = Slot("seeder", job_id)
            job = claimed(engine, slot, queue)
            assert job.id == job_id
            if state is not State.RUNNING:
                finish(engine, slot, job, RunResult(Outcome(state.value)))
        return job_id

    return make


def park(engine: Engine, job_id: str, queue: str) -> None:
    """Make a queued job wait for something that is no key."""
    client, keys = engine.client.redis, engine.client.keys
    place = client.zscore(keys("queued", queue), job_id) or 0
    client.zrem(keys("queued", queue), job_id)
    client.zadd(keys("waiting", queue), {job_id: place})
    client.hset(keys("job", job_id), "state", "waiting")
