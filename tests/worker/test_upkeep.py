"""What the supervisor's renewal does about a run that only Redis believes in."""

import multiprocessing

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import State
from django_jobqueue.worker.board import Board, number_of
from django_jobqueue.worker.enforcer import Enforcer
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.process import Plan
from django_jobqueue.worker.upkeep import Upkeep
from tests.engine.places import DONE, Make, claimed

PLAN = Plan(alias="default", worker="worker-1", queues=None)


@pytest.fixture
def board() -> Board:
    return Board(multiprocessing, PLAN.slots)


@pytest.fixture
def upkeep(engine: Engine, board: Board) -> Upkeep:
    enforcer = Enforcer(board, engine.options.lease, may_kill=True)
    health = Health(board, PLAN.slots, engine.options.lease, None)
    return Upkeep(engine, PLAN, enforcer, health)


@pytest.mark.parametrize("lost", [True, False])
def test_end_of_a_run_that_redis_has_lost(
    engine: Engine, board: Board, upkeep: Upkeep, make_job: Make, lost: bool
) -> None:
    """A replica that lags takes over: the job runs again, and not only after the slot's next."""
    client, slot = engine.connection.client, Slot("worker-1", "0.0")
    first, second = make_job(), make_job()
    job = claimed(engine, slot)
    as_it_was = {key: client.dump(key) or b"" for key in client.scan_iter()}
    _, _, following = engine.workers.finish(slot, job, DONE, ["default"])
    if lost:
        client.flushall()
        for key, value in as_it_was.items():
            client.restore(key, 0, value)
    board.row("0.0").work(number_of(following.fence))

    upkeep.run_if_due()

    states = [engine.inspector.job(job_id).state for job_id in (first, second)]
    wanted = [State.QUEUED, State.QUEUED] if lost else [State.SUCCEEDED, State.RUNNING]
    assert states == wanted


def test_run_that_begins_or_ends_meanwhile_is_left_alone(
    engine: Engine, board: Board, upkeep: Upkeep, make_job: Make
) -> None:
    """The board and Redis are not changed in one moment."""
    job_id = make_job()
    job = claimed(engine, Slot("worker-1", "0.0"))
    for run in (0.0, number_of(job.fence)):
        board.row("0.0").work(run)
        upkeep.stop()  # it renews at once
        upkeep.run_if_due()
        assert engine.inspector.job(job_id).state is State.RUNNING
