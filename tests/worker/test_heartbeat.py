"""The heartbeat, and a run that only Redis believes in."""

import multiprocessing

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.heartbeat import Heartbeat
from django_jobqueue.worker.limits.enforcer import Enforcer
from django_jobqueue.worker.limits.shared_state import SharedState, run_id
from tests.support.places import DONE, Make, claimed

CONFIG = WorkerConfig(alias="default", worker="worker-1", queues=None)


@pytest.fixture
def shared() -> SharedState:
    return SharedState(multiprocessing, CONFIG.slots)


@pytest.fixture
def heartbeat(engine: Engine, shared: SharedState) -> Heartbeat:
    enforcer = Enforcer(shared, engine.options.lease, may_kill=True)
    health = Health(shared, CONFIG.slots, engine.options.lease, None)
    return Heartbeat(engine, CONFIG, enforcer, health)


@pytest.mark.parametrize("lost", [True, False])
def test_end_of_a_run_that_redis_has_lost(
    engine: Engine, shared: SharedState, heartbeat: Heartbeat, make_job: Make, lost: bool
) -> None:
    """A replica that lags takes over: the job runs again, and not only after the slot's next."""
    client, slot = engine.client.redis, Slot("worker-1", "0.0")
    first, second = make_job(), make_job()
    job = claimed(engine, slot)
    as_it_was = {key: client.dump(key) or b"" for key in client.scan_iter()}
    _, _, following = engine.claims.finish(slot, job, DONE, ["default"])
    if lost:
        client.flushall()
        for key, value in as_it_was.items():
            client.restore(key, 0, value)
    shared.slot("0.0").begin_run(run_id(following.fence))

    heartbeat.run_due()

    states = [engine.inspector.job(job_id).state for job_id in (first, second)]
    wanted = [State.QUEUED, State.QUEUED] if lost else [State.SUCCEEDED, State.RUNNING]
    assert states == wanted


def test_run_that_begins_or_ends_meanwhile_is_left_alone(
    engine: Engine, shared: SharedState, heartbeat: Heartbeat, make_job: Make
) -> None:
    """The shared state and Redis are not changed in one moment."""
    job_id = make_job()
    job = claimed(engine, Slot("worker-1", "0.0"))
    for run in (0, run_id(job.fence)):
        shared.slot("0.0").begin_run(run)
        heartbeat.mark_stopping()  # it renews at once
        heartbeat.run_due()
        assert engine.inspector.job(job_id).state is State.RUNNING
