"""Runs that must not outlive their lease, and those that may."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import guarded_tasks, tasks
from tests.support.processes import WorkerProcess, alive, until
from tests.support.servers import TcpServer

from .conftest import Oracle, until_final

Start = Callable[..., WorkerProcess]
LEASE = 3.0  # seconds; a guarded run is killed when two thirds of it are over


def test_guarded_run_dies_before_its_lease(
    worker_process: Start, engine: Engine, server: TcpServer, oracle: Oracle, gate: Path
) -> None:
    """Redis goes: its process is killed in time, the one beside it runs on."""
    guarded = guarded_tasks.hold_guarded.enqueue(oracle.path, str(gate))
    other = tasks.hold.enqueue(oracle.path, str(gate))
    lease = 2 * LEASE
    worker = worker_process("--processes", "2", TEST_LEASE=str(lease)).until_ready(2)
    oracle.until_started(2)
    keeper = oracle.pid(other.id)
    (victim,) = set(worker.slots()) - {keeper}

    server.kill()
    killed_at = time.monotonic()  # no renewal was sent after this
    until(lambda: not alive(victim), lease, "the guarded run is killed within the lease")
    print(f"killed {time.monotonic() - killed_at:.2f} s after Redis")  # noqa: T201
    assert oracle.ends() == {}
    server.start()
    oracle.until_started(3)
    gate.touch()
    first, second = until_final(engine, [guarded, other])

    assert (first.state, first.recoveries) == (State.SUCCEEDED, 1)
    assert (second.state, second.recoveries) == (State.SUCCEEDED, 0)
    assert oracle.starts() == {guarded.id: 2, other.id: 1}
    assert worker.stop() == 0


def test_guarded_run_dies_when_its_lease_is_lost(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path
) -> None:
    """Its supervisor was frozen; the renewal tells it that another worker has the job."""
    guarded = guarded_tasks.hold_guarded.enqueue(oracle.path, str(gate))
    frozen = worker_process("--processes", "1", TEST_LEASE=str(LEASE)).until_ready()
    oracle.until_started(1)
    (victim,) = frozen.slots()
    worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    os.kill(frozen.pid, signal.SIGSTOP)
    oracle.until_started(2)
    assert alive(victim)
    os.kill(frozen.pid, signal.SIGCONT)

    until(lambda: not alive(victim), what="the run without a lease is killed")
    gate.touch()
    (job,) = until_final(engine, [guarded])

    assert (job.state, job.recoveries) == (State.SUCCEEDED, 1)
    assert oracle.starts() == {guarded.id: 2}
    assert oracle.ends() == {guarded.id: 1}
    assert "lease_lost" in frozen.output()


def test_guarded_run_with_a_sound_lease_lives(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path
) -> None:
    """Longer than a lease, and one after the other in the same process."""
    first = guarded_tasks.hold_guarded.enqueue(oracle.path, str(gate))
    worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    oracle.until_started(1)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.3 * LEASE)
    second = guarded_tasks.hold_guarded.enqueue(oracle.path, str(gate))
    gate.touch()

    jobs = until_final(engine, [first, second])

    assert [(job.state, job.recoveries) for job in jobs] == [(State.SUCCEEDED, 0)] * 2
    assert oracle.starts() == {first.id: 1, second.id: 1}


def test_thread_can_not_be_killed(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path
) -> None:
    """It runs, and the log says what it can't have."""
    gate.touch()
    held = guarded_tasks.hold_guarded.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "1", "--threads", "2", TEST_LEASE=str(LEASE))

    (job,) = until_final(engine, [held])

    assert job.state is State.SUCCEEDED
    assert "can't be stopped when its lease is lost" in worker.output()
