"""Processes that are replaced: grown too big, done enough, stuck at their start or end."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.job import State
from django_jobqueue.worker import process, slot, supervisor
from tests.project import limited_tasks
from tests.rig import AT_ONCE, PATIENCE, WorkerProcess, alive, until

Start = Callable[..., WorkerProcess]
HURRY = "tests.project.hurry.Hurry"


def test_grown_process_is_replaced_after_its_job(worker_process: Start, engine: Engine) -> None:
    """Its job ends well; the next one runs in a small process."""
    worker_process("--processes", "1", "--max-memory", "200M")
    small = limited_tasks.own_pid.enqueue().wait(PATIENCE)
    big = limited_tasks.grow.enqueue(300).wait(PATIENCE)
    assert big == small
    until(lambda: limited_tasks.own_pid.enqueue().wait(PATIENCE) != big, what="it is replaced")
    assert not alive(big)


def test_process_that_leaks_in_threads_is_replaced_too(
    worker_process: Start, engine: Engine
) -> None:
    worker_process("--processes", "1", "--threads", "2", "--max-memory", "200M")
    big = limited_tasks.grow.enqueue(300).wait(PATIENCE)
    until(lambda: not alive(big), what="it is replaced")
    assert limited_tasks.own_pid.enqueue().wait(PATIENCE) != big


def test_processes_end_after_so_many_jobs_but_not_all_at_once(
    worker_process: Start, engine: Engine
) -> None:
    """Each draws how many of the last tenth it leaves out."""
    results = [limited_tasks.own_pid.enqueue() for _ in range(100)]
    worker_process("--processes", "1", "--max-jobs", "20")
    pids = [result.wait(PATIENCE) for result in results]
    runs = {pid: pids.count(pid) for pid in pids}
    *whole, _ = runs.values()
    assert all(18 <= number <= 20 for number in whole), runs


def test_process_that_does_not_end_is_killed(worker_process: Start, engine: Engine) -> None:
    """A thread of a task keeps it; its job is done, and others run in the new one."""
    worker = worker_process("--processes", "1", "--max-jobs", "1", TEST_APPS=HURRY, TEST_LEAVE="1")
    stuck = limited_tasks.leave_a_thread.enqueue(60).wait(PATIENCE)
    until(lambda: not alive(stuck), what="the process is killed")
    other = limited_tasks.own_pid.enqueue().wait(PATIENCE)
    assert other != stuck
    assert "neither starts nor ends" in worker.output()
    assert engine.inspector.totals().get("recovered", 0) == 0


def test_process_that_does_not_start_is_killed(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """It hangs before its first claim; the next one comes up."""
    waits = limited_tasks.own_pid.enqueue()
    hurry = {"TEST_APPS": HURRY, "TEST_READY": "1", "TEST_HANG": str(tmp_path / "hung")}
    worker = worker_process("--processes", "1", **hurry)
    assert waits.wait(PATIENCE) > 0
    assert "neither starts nor ends" in worker.output()
    assert engine.inspector.job(waits.id).state is State.SUCCEEDED


@pytest.mark.parametrize("text", ["0", "-1", "many", "5X", "M", "1.5G"])
def test_nonsense_is_refused(worker_process: Start, engine: Engine, text: str) -> None:
    worker = worker_process(f"--max-memory={text}")
    assert worker.wait() == 2
    assert "is no amount of memory such as 512M or 2G" in worker.output()


def test_patience_is_longer_than_a_slow_machine_needs() -> None:
    """The defaults, which some tests shorten and others count on."""
    assert (supervisor.READY, process.LEAVE) == (60.0, 30.0)
    assert slot.BLOCK > AT_ONCE
    assert signal.SIGUSR1 not in process.STOP_SIGNALS
