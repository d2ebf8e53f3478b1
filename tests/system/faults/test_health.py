"""What a worker says of its health, from outside."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.processes import WorkerProcess, until
from tests.support.servers import TcpServer

from .conftest import Oracle

Start = Callable[..., WorkerProcess]
LEASE = 1.5  # seconds; healthy is who was heard of within two leases
IN_HASTE = {  # idle slots poll more often than that
    "TEST_APPS": "tests.project.hurry.Hurry",
    "TEST_BLOCK": "0.5",
    "TEST_LEASE": str(LEASE),
}


def until_back(file: Path) -> None:
    """Take the file away, and wait until the worker brings it back."""
    file.unlink(missing_ok=True)
    until(file.exists, what="the worker is healthy")


def stays_away(file: Path) -> bool:
    """Take the file away, and tell whether the worker leaves it so at its next looks."""
    file.unlink(missing_ok=True)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2.5)
    return not file.exists()


def stays_healthy(worker: WorkerProcess, file: Path) -> None:
    """Wait for as long as makes a silent slot a fault: there is none."""
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2 * LEASE + 1)
    until_back(file)
    assert "not healthy" not in worker.output()


def test_frozen_slot_makes_its_worker_unhealthy(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """Its supervisor lives, its server answers, but it would claim no job."""
    file = tmp_path / "health"
    worker = worker_process("--processes", "2", "--health-file", str(file), **IN_HASTE)
    until(file.exists)
    worker.until_ready(2)
    until_back(file)
    slot = worker.slots()[0]
    os.kill(slot, signal.SIGSTOP)
    silent = f"has neither claimed nor polled for {2 * LEASE:g} s"
    until(lambda: [one for one in engine.inspector.workers() if silent in one.fault])
    assert stays_away(file)
    os.kill(slot, signal.SIGCONT)
    until_back(file)
    until(lambda: not any(one.fault for one in engine.inspector.workers()))
    assert worker.stop() == 0
    assert not file.exists()


def test_long_job_is_healthy(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path, tmp_path: Path
) -> None:
    """Its slot polls nothing for as long as it takes."""
    file = tmp_path / "health"
    tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "1", "--health-file", str(file), TEST_LEASE=str(LEASE))
    oracle.until_started(1)
    stays_healthy(worker, file)
    gate.touch()
    assert worker.stop() == 0


def test_thread_that_has_ended_is_no_fault(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path, tmp_path: Path
) -> None:
    """It has done its jobs, and waits with its process for the other thread's long one."""
    file = tmp_path / "health"
    tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process(
        *("--processes", "1", "--threads", "2", "--max-jobs", "3", "--health-file", str(file)),
        **IN_HASTE,
    )
    oracle.until_started(1)
    short = tasks.noop.enqueue_many([()] * 3)
    until(lambda: engine.inspector.count(State.SUCCEEDED) == len(short))
    stays_healthy(worker, file)
    gate.touch()
    assert worker.stop() == 0


def test_worker_without_redis_is_unhealthy(
    worker_process: Start, engine: Engine, server: TcpServer, tmp_path: Path
) -> None:
    """Until the server is back."""
    file = tmp_path / "health"
    worker = worker_process("--processes", "1", "--health-file", str(file), TEST_LEASE=str(LEASE))
    worker.until_ready()  # the file is there for a moment before, to see whether it can be
    until(file.exists)
    server.kill()
    until(lambda: "not healthy" in worker.output())
    assert stays_away(file)
    server.start()
    until_back(file)
    assert "healthy again" in worker.output()


def test_file_that_can_not_be_written_is_told_at_the_start(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """A probe that looks at nothing would restart the worker for ever."""
    worker = worker_process("--health-file", str(tmp_path / "nowhere" / "health"))
    assert worker.wait() == 2
    assert "can't be written: No such file or directory" in worker.output()


def test_file_with_other_contents_is_left_alone(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """At its end the worker removes the file."""
    file = tmp_path / "settings.py"
    file.write_text("DEBUG = False")
    for path in (file, tmp_path):
        worker = worker_process("--health-file", str(path))
        assert worker.wait() == 2
        assert "is something else already" in worker.output()
    assert file.read_text() == "DEBUG = False"
