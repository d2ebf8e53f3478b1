"""Processes that are replaced: grown too big, done enough, stuck at their start or end."""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.worker import process, slot_loop, starting, stop_signals
from tests.project import limited_tasks, tasks, untellable
from tests.support import processes
from tests.support.processes import AT_ONCE, PATIENCE, WorkerProcess, alive, children, lines, until

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


@pytest.mark.parametrize("threads", ["1", "2"])
def test_burst_goes_on_in_the_next_process(
    worker_process: Start, engine: Engine, threads: str
) -> None:
    """What ends is the process that has done enough: there are jobs left."""
    results = [limited_tasks.own_pid.enqueue() for _ in range(25)]
    worker = worker_process("--processes", "1", "--threads", threads, "--max-jobs", "5", "--burst")
    assert worker.wait() == 0
    assert engine.inspector.count(State.SUCCEEDED) == 25
    pids = {result.wait(PATIENCE) for result in results}
    assert len(pids) >= 25 / 5 / int(threads)


def test_burst_runs_what_a_lost_process_gives_back(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """A task that ends its process with 0 has not worked off the queue."""
    result = tasks.leave_quietly_once.enqueue(str(tmp_path / "oracle"))
    assert worker_process("--processes", "1", "--burst").wait() == 0
    assert result.wait(PATIENCE) == "second"
    assert engine.inspector.job(result.id).recoveries == 1


def test_thread_that_breaks_down_begins_anew(worker_process: Start, engine: Engine) -> None:
    """The job that it had claimed by then is given back, and both threads work."""
    worker = worker_process("--processes", "1", "--threads", "2", "--queues", "broken,default")
    results = [tasks.break_slot.using(queue_name="broken").enqueue() for _ in range(10)]
    results += [limited_tasks.own_pid.enqueue() for _ in range(10)]
    for result in results:
        result.wait(PATIENCE)
    assert "A slot broke down" in worker.output()
    assert worker.stop() == 0


def test_thread_begins_anew_whatever_the_log_does(worker_process: Start, engine: Engine) -> None:
    """Also if the log can't format what broke the slot; the job keeps its first run."""
    worker = worker_process("--processes", "1", "--threads", "2", "--queues", "broken,default")
    results = [untellable.breaks_slot.using(queue_name="broken").enqueue() for _ in range(3)]
    results += [untellable.fails_to_format.using(queue_name="broken").enqueue() for _ in range(3)]
    until(lambda: all(engine.inspector.job(result.id).state.is_final for result in results))
    assert tasks.add.enqueue(1, 1).wait(PATIENCE) == 2
    assert "A slot broke down" in worker.output()
    assert [engine.inspector.job(result.id).attempts for result in results] == [1] * 6
    assert worker.stop() == 0


def test_process_that_a_task_forks_is_no_slot(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """It ends where it leaves the task, and settles nothing."""
    oracle = tmp_path / "oracle"
    result = tasks.fork.enqueue(str(oracle))
    worker_process("--processes", "1")
    assert result.wait(PATIENCE) == "parent"
    assert [run.outcome for run in engine.inspector.job(result.id).runs] == ["succeeded"]
    assert not alive(int(oracle.read_text()))


def test_nothing_of_a_job_is_left_for_the_next(worker_process: Start, engine: Engine) -> None:
    """The language and the time zone that a task activates end with its job."""
    worker_process("--processes", "1")
    before = tasks.whereabouts.enqueue().wait(PATIENCE)
    tasks.go_abroad.enqueue("de", "Asia/Tokyo").wait(PATIENCE)
    assert tasks.whereabouts.enqueue().wait(PATIENCE) == before


def test_worker_that_is_process_1_collects_orphans(
    worker_process: Start, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: what tasks leave behind would fill the table of processes."""
    alone = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("no namespace of processes can be made here")
    monkeypatch.setattr(processes, "BEFORE", alone)
    worker = worker_process("--processes", "1")
    for _ in range(5):
        tasks.leave_orphan.enqueue().wait(PATIENCE)
    (first,) = worker.slots()
    until(lambda: len(children(first, ended=True)) == 1, what="only the slot is left")


def test_process_that_does_not_end_is_killed(worker_process: Start, engine: Engine) -> None:
    """A thread of a task keeps it; its job is done, and others run in the new one."""
    worker = worker_process(
        "--processes", "1", "--max-jobs", "1", TEST_APPS=HURRY, TEST_EXIT_TIMEOUT="1"
    )
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
    hurry = {"TEST_APPS": HURRY, "TEST_START_TIMEOUT": "1", "TEST_HANG": str(tmp_path / "hung")}
    worker = worker_process("--processes", "1", **hurry)
    assert waits.wait(PATIENCE) > 0
    assert "neither starts nor ends" in worker.output()
    assert engine.inspector.job(waits.id).state is State.SUCCEEDED


def test_process_that_can_not_be_started_is_started_later(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """What the others run goes on meanwhile."""
    oracle, gate = tmp_path / "oracle", tmp_path / "gate"
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "2").until_ready(2)
    until(lambda: lines(oracle), what="the job has started")
    until(lambda: engine.inspector.workers())
    busy = int(lines(oracle)[0].split()[2])
    _, most = enough = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, most))
    os.kill(next(pid for pid in worker.slots() if pid != busy), signal.SIGKILL)
    until(lambda: "can't be started: [Errno 24] Too many open files" in worker.output())
    gate.touch()
    assert held.wait(PATIENCE) == "held"
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, enough)
    worker.until_ready(2)
    assert worker.stop() == 0
    assert engine.inspector.totals().get("recovered", 0) == 0


def test_supervisor_that_breaks_down_takes_its_processes_along(
    worker_process: Start, engine: Engine, tmp_path: Path
) -> None:
    """Without it nobody renews: what they run would be run a second time."""
    oracle = tmp_path / "oracle"
    held = tasks.hold.enqueue(str(oracle), str(tmp_path / "gate"))
    hurry = {"TEST_APPS": HURRY, "TEST_BREAK": str(tmp_path / "break")}
    worker = worker_process("--processes", "2", **hurry).until_ready(2)
    until(lambda: lines(oracle), what="the job has started")
    slots = worker.slots()
    (tmp_path / "break").touch()
    assert worker.wait() == 1
    until(lambda: not any(map(alive, slots)), what="its processes have ended")
    assert engine.inspector.job(held.id).state is State.RUNNING


@pytest.mark.parametrize("text", ["0", "-1", "many", "5X", "M", "1.5G"])
def test_nonsense_is_refused(worker_process: Start, engine: Engine, text: str) -> None:
    worker = worker_process(f"--max-memory={text}")
    assert worker.wait() == 2
    assert "is no amount of memory such as 512M or 2G" in worker.output()


def test_patience_is_longer_than_a_slow_machine_needs() -> None:
    """The defaults, which some tests shorten and others count on."""
    assert (starting.START_TIMEOUT, process.EXIT_TIMEOUT) == (60.0, 30.0)
    assert slot_loop.BLOCK > AT_ONCE
    assert signal.SIGUSR1 not in stop_signals.STOP_SIGNALS
