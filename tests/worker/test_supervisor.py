"""The supervisor between two rounds of its loop."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.worker.child import Child
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.limits.shared_state import NEVER, Limits
from django_jobqueue.worker.supervisor import Supervisor
from tests.support.places import Make, record
from tests.support.processes import until


def sleeping(engine: Engine, *, killed_run: bool) -> float:
    """Return how long a supervisor sleeps that has killed a process which is not gone yet."""
    config = WorkerConfig(alias="default", worker="worker-1", queues=None)
    supervisor = Supervisor(engine, config)
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=[60])
    process.start()
    reader, writer = os.pipe()
    now = time.monotonic()
    (state,) = states = [supervisor._shared.slot("0.0")]
    state.reset(NEVER)
    try:
        child = Child(process, process.pid or 0, ["0.0"], states, now)
        supervisor._children[0] = child
        supervisor._alarm = reader
        if killed_run:
            state.set_limits(Limits(interrupt_at=now - 2, kill_at=now - 1, grace=0.0))
            state.begin_run(7)
            supervisor._enforcer.ask_if_due("0.0")
            child.killed = supervisor._enforcer.kill_due("0.0")
            assert child.killed is not None
        else:
            supervisor._kill_at = now - 1
        supervisor._heartbeat.run_due()
        supervisor._look.run_if_due()
        assert state.must_exit_by == NEVER
        began = time.monotonic()
        supervisor._sleep()
        return time.monotonic() - began
    finally:
        process.kill()
        process.join()
        os.close(reader)
        os.close(writer)


def test_killed_processes_are_waited_for_in_sleep(engine: Engine) -> None:
    """The time to kill them is over, and gives nothing more to do: the next tick is in 0.5 s.

    On a busy machine those may pass before it sleeps, so there is more than one try.
    """
    until(lambda: sleeping(engine, killed_run=False) > 0.1)


def test_killed_run_is_waited_for_in_sleep(engine: Engine) -> None:
    """So is one that was killed for its time."""
    until(lambda: sleeping(engine, killed_run=True) > 0.1)


def end_orderly() -> None:
    """Do as a process that is told to end, and has ended its job."""


def end_by_itself() -> None:
    os._exit(1)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("is_retired", "target", "is_lost"),
    [
        (True, end_orderly, False),
        (True, end_by_itself, True),
        (True, be_killed, True),
        (False, end_orderly, True),
    ],
)
def test_job_of_a_retired_process_is_not_lost(
    engine: Engine, make_job: Make, is_retired: bool, target: Callable[[], None], is_lost: bool
) -> None:
    """It was claimed by the call in which its slot waited, while the process was told to end."""
    job_id = make_job(max_recoveries=0)
    config = WorkerConfig(alias="default", worker="worker-1", queues=None)
    engine.claims.claim(Slot("worker-1", "0.0"), ["default"])
    supervisor = Supervisor(engine, config)
    process = multiprocessing.get_context("spawn").Process(target=target)
    process.start()
    states = [supervisor._shared.slot("0.0")]
    child = Child(process, process.pid or 0, ["0.0"], states, time.monotonic())
    child.is_retired = is_retired
    supervisor._children[0] = child

    def is_collected() -> bool:
        supervisor._collect()
        return not supervisor._children

    until(is_collected, what="the process has ended")

    job = record(engine, job_id)
    assert (job["state"], job.get("recoveries", "0")) == (
        (State.FAILED, "1") if is_lost else (State.QUEUED, "0")
    )
    assert 0 in supervisor._start_at  # another one takes its place
