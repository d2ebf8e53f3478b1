"""A job that changes all that match, whose worker is killed."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.steering import bulk
from django_jobqueue.steering.job_action import REQUEUE
from django_jobqueue.steering.selection import Selection
from tests.support.jobs import fill
from tests.support.places import FAILED, claimed, finish
from tests.support.processes import PATIENCE, WorkerProcess, until

MANY = 6_000


def failed(engine: Engine) -> int:
    return engine.inspector.count(State.FAILED, ["mail"])


def less_than(engine: Engine, many: int) -> bool:
    return failed(engine) < many


def test_each_job_is_requeued_once_through_two_kills(
    worker_process: Callable[..., WorkerProcess], engine: Engine, slot: Slot
) -> None:
    """The next worker goes on where the last one was killed; what fails again meanwhile stays."""
    made = fill(engine, MANY, "mail")
    for _ in made:
        finish(engine, slot, claimed(engine, slot, "mail"), FAILED)
    chosen = Selection(states=(State.FAILED,), queues=("mail",))
    (result,) = bulk.start("default", REQUEUE, chosen, None)
    for left in (MANY * 3 // 4, MANY // 4):
        worker = worker_process("--processes", "1", "--queues", "default", TEST_LEASE="2")
        while failed(engine) > left:
            until(partial(less_than, engine, failed(engine)))
        worker.kill_all()
        assert engine.inspector.job(result.id).state is State.RUNNING, "it was killed too late"
        for _ in range(5):  # run, and fail again
            finish(engine, slot, claimed(engine, slot, "mail"), FAILED)
    worker_process("--processes", "1", "--queues", "default", TEST_LEASE="2")
    result.wait(PATIENCE)
    assert failed(engine) == 10
    requeued = Counter(
        [run.outcome for run in engine.inspector.job(job_id).runs].count("requeued")
        for job_id in made
    )
    assert requeued == {1: MANY}
    assert engine.inspector.job(result.id).recoveries == 2
