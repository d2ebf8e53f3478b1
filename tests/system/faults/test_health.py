"""What a worker says of its health, from outside."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from django_jobqueue.engine import Engine
from tests.project import tasks
from tests.rig import WorkerProcess, until
from tests.system.servers import TcpServer

from .conftest import Oracle

Start = Callable[..., WorkerProcess]
LEASE = 1.0  # seconds; healthy is who was heard of within two


def stays(file: Path) -> bool:
    """Take the file away, and tell whether the worker brings it back."""
    file.unlink(missing_ok=True)
    try:
        until(file.exists, 4)
    except AssertionError:
        return False
    return True


def test_frozen_slot_makes_its_worker_unhealthy(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """Its supervisor lives, its server answers, but it would claim no job."""
    file = tmp_path / "health"
    worker = worker_process("--processes", "2", "--health-file", str(file), TEST_LEASE=str(LEASE))
    until(file.exists)
    worker.until_ready(2)
    assert stays(file)
    slot = worker.slots()[0]
    os.kill(slot, signal.SIGSTOP)
    until(lambda: engine.inspector.workers()[0].fault)
    assert "has neither claimed nor polled for 2 s" in engine.inspector.workers()[0].fault
    assert not stays(file)
    os.kill(slot, signal.SIGCONT)
    assert stays(file)
    until(lambda: not engine.inspector.workers()[0].fault)
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
    for _ in range(3):
        assert stays(file)
    assert "not healthy" not in worker.output()
    gate.touch()
    assert worker.stop() == 0


def test_worker_without_redis_is_unhealthy(
    worker_process: Start, engine: Engine, server: TcpServer, tmp_path: Path
) -> None:
    """Until the server is back."""
    file = tmp_path / "health"
    worker = worker_process("--processes", "1", "--health-file", str(file), TEST_LEASE=str(LEASE))
    until(file.exists)
    server.kill()
    until(lambda: "not healthy" in worker.output())
    assert not stays(file)
    server.start()
    assert stays(file)
    assert "healthy again" in worker.output()


def test_file_that_can_not_be_written_is_told_at_the_start(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """A probe that looks at nothing would restart the worker for ever."""
    worker = worker_process("--health-file", str(tmp_path / "nowhere" / "health"))
    assert worker.process.wait(20) == 2
    assert "can't be written: No such file or directory" in worker.output()
