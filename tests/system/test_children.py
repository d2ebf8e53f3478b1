"""What becomes of the processes that tasks start."""

import time
from collections.abc import Callable

import pytest

from django_jobqueue.engine import Engine
from tests.project import parent_tasks
from tests.support.processes import PATIENCE, PROMPT, WorkerProcess, alive

Start = Callable[..., WorkerProcess]
MODES = pytest.mark.parametrize("threads", ["1", "2"])


@MODES
def test_pools_end(worker_process: Start, engine: Engine, threads: str) -> None:
    """Their processes end by SIGTERM, as without a worker."""
    result = parent_tasks.use_pools.enqueue(20)
    worker_process("--processes", "1", "--threads", threads)
    assert result.wait(PATIENCE) == sum(n * n for n in range(40))


@MODES
def test_forked_process_can_be_ended_from_its_first_moment(
    worker_process: Start, engine: Engine, threads: str
) -> None:
    """At no instant it has a handler of the worker's."""
    result = parent_tasks.end_at_once.enqueue(100)
    worker_process("--processes", "1", "--threads", threads)
    assert result.wait(PATIENCE) == [-15]


@MODES
def test_daemon_ends_with_its_process(worker_process: Start, engine: Engine, threads: str) -> None:
    """The stop waits for no time-out."""
    result = parent_tasks.leave_daemon.enqueue()
    worker = worker_process("--processes", "1", "--threads", threads)
    daemon = result.wait(PATIENCE)
    assert alive(daemon)
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < PROMPT
    assert not alive(daemon)


@MODES
def test_program_starts_with_default_signals(
    worker_process: Start, engine: Engine, threads: str
) -> None:
    """Ctrl+C would end it."""
    result = parent_tasks.signals_of_a_program.enqueue()
    worker_process("--processes", "1", "--threads", threads)
    assert result.wait(PATIENCE) == []
