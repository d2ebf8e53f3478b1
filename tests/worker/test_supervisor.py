"""The supervisor between two rounds of its loop."""

import multiprocessing
import os
import time

from django_jobqueue.engine import Engine
from django_jobqueue.worker.child import Child
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.limits.shared_state import NEVER, Limits
from django_jobqueue.worker.supervisor import Supervisor


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
    """The time to kill them is over, and gives nothing more to do: the next tick is in 0.5 s."""
    assert sleeping(engine, killed_run=False) > 0.1


def test_killed_run_is_waited_for_in_sleep(engine: Engine) -> None:
    """So is one that was killed for its time."""
    assert sleeping(engine, killed_run=True) > 0.1
