"""What becomes of the processes that tasks start."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue import JobResult
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import parent_tasks
from tests.support.processes import (
    PATIENCE,
    PROMPT,
    WorkerProcess,
    alive,
    lines,
    started,
    until,
)

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
    # In the background of a shell SIGQUIT is ignored, which the worker has no reason to change.
    inherited = {signal.SIGQUIT} if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN else set()
    assert set(result.wait(PATIENCE)) - inherited == set()


def program(oracle: Path) -> int:
    """Return the process that a task has started."""
    started(oracle)
    return int(lines(oracle)[0].split()[1])


def until_gone(pid: int) -> None:
    until(lambda: not alive(pid), PROMPT, "what the task has started is gone")


@pytest.mark.parametrize("task", ["cling_to_program", "die_beside_process"])
def test_killed_run_leaves_no_process(
    worker_process: Start, engine: Engine, oracle: Path, task: str
) -> None:
    """Whether the supervisor kills it or somebody else does."""
    result: JobResult[..., None] = getattr(parent_tasks, task).enqueue(str(oracle))
    worker_process("--processes", "1")
    until(lambda: engine.inspector.job(result.id).state is State.FAILED)
    until_gone(program(oracle))


def test_forced_stop_leaves_no_process(worker_process: Start, engine: Engine, oracle: Path) -> None:
    """The job may run again at once, and alone."""
    parent_tasks.wait_for_program.enqueue(str(oracle))
    worker = worker_process("--processes", "1", "--shutdown-timeout", "0")
    pid = program(oracle)
    assert worker.stop() == 0
    until_gone(pid)


def test_killed_supervisor_leaves_no_process(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """Its slots end what their tasks have started, before they end."""
    parent_tasks.wait_for_program.enqueue(str(oracle))
    worker = worker_process("--processes", "1")
    pid = program(oracle)
    worker.signal(signal.SIGKILL)
    until_gone(pid)


def test_background_program_ends_with_its_process(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """It outlives its job, but not the process that ran it."""
    result = parent_tasks.leave_program.enqueue(str(oracle))
    worker = worker_process("--processes", "1")
    result.wait(PATIENCE)
    assert alive(program(oracle))
    assert worker.stop() == 0
    until_gone(program(oracle))


def test_program_with_a_session_of_its_own_lives_on(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """That is how a task starts what shall stay."""
    result = parent_tasks.leave_program.enqueue(str(oracle), own_session=True)
    worker = worker_process("--processes", "1")
    result.wait(PATIENCE)
    assert worker.stop() == 0
    assert alive(program(oracle))
    os.kill(program(oracle), signal.SIGKILL)
