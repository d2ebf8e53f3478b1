"""Signals that ask a worker or a scheduler to stop, whenever they come."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support import processes
from tests.support.processes import PATIENCE, PROMPT, ROOT, WorkerProcess, alive, started, until

Start = Callable[..., WorkerProcess]
COMMANDS = pytest.mark.parametrize("command", ["worker_process", "scheduler_process"])
EARLY = "tests.project.early_signal.EarlySignal"


@pytest.fixture
def start(request: pytest.FixtureRequest, command: str) -> Start:
    found: Start = request.getfixturevalue(command)
    return found


def until_stopping(engine: Engine) -> None:
    until(lambda: any(worker.stopping for worker in engine.inspector.workers()))


def test_sighup_lets_the_running_job_finish(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """However often a closed terminal sends it."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "1")
    started(oracle)
    worker.signal_all(signal.SIGHUP)
    until_stopping(engine)
    worker.signal_all(signal.SIGHUP)
    worker.signal_all(signal.SIGTERM)  # the first of those that count
    gate.touch()
    assert worker.wait() == 0
    assert held.wait(PATIENCE) == "held"
    assert held.recoveries == 0


def test_sighup_ends_a_scheduler(scheduler_process: Start, engine: Engine) -> None:
    scheduler = scheduler_process()
    until(lambda: "Fires schedules" in scheduler.output())
    scheduler.signal(signal.SIGHUP)
    assert scheduler.wait() == 0


def test_nohup_is_heeded(
    worker_process: Start, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it switched off stays off."""
    monkeypatch.setattr(processes, "BEFORE", ["nohup"])
    worker = worker_process("--processes", "1").until_ready()
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    worker.signal_all(signal.SIGHUP)
    assert tasks.add.enqueue(2, 2).wait(PATIENCE) == 4
    assert worker.stop() == 0
    assert "ended:" not in worker.output()


def test_stop_does_not_wait_until_many_processes_are_started(
    worker_process: Start, engine: Engine
) -> None:
    many, most = 400, 0
    worker = worker_process("--processes", str(many)).until_ready()
    worker.signal(signal.SIGTERM)
    while worker.process.poll() is None:
        most = max(most, len(worker.slots()))
    assert worker.process.returncode == 0
    assert most < many / 2


@COMMANDS
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signal_before_the_handlers_is_no_crash(start: Start, engine: Engine, name: str) -> None:
    """It waits for them, and ends the command well."""
    worker = start(TEST_APPS=EARLY, TEST_SIGNAL=name)
    assert worker.wait() == 0
    assert "Traceback" not in worker.output()


@COMMANDS
def test_storm_of_signals_is_a_stop(start: Start, engine: Engine) -> None:
    """Up to the last instant of the process."""
    for _ in range(3):
        worker = start()
        until(worker.output, what="it says what it does")
        while worker.process.poll() is None:
            worker.process.terminate()
        assert worker.process.returncode == 0


@COMMANDS
def test_killed_reloader_takes_its_command_along(
    start: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """Else it would go on with old code; its running job ends well."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker_process = start("--reload")
    (child,) = until(worker_process.slots)
    until(lambda: "of 'default' at" in worker_process.output())
    if "jobworker" in worker_process.output():
        started(oracle)
    worker_process.signal(signal.SIGKILL)
    worker_process.process.wait()
    until(lambda: "is gone: it stops" in worker_process.output(), what="it notices")
    gate.touch()
    until(lambda: not alive(child), PROMPT)
    if "jobworker" in worker_process.output():
        held.refresh()
        assert held.state is State.SUCCEEDED


def run(script: str) -> list[str]:
    """Run a program that uses the test's Redis; return the lines of its output."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "testproject")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


IN_A_PROGRAM = """
import os, signal, socket
import django
from django.core.management import call_command

def handle(*_): pass

def state():
    signals = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    folder = "/proc/self/fd/"
    opened = [os.readlink(folder + n) for n in os.listdir(folder) if os.path.islink(folder + n)]
    pipes = sum("pipe:" in one for one in opened)
    return signals, fd, signal.pthread_sigmask(signal.SIG_BLOCK, ()), pipes

if __name__ == "__main__":
    django.setup()
    signal.signal(signal.SIGTERM, handle)
    one, two = socket.socketpair()
    one.setblocking(False)
    signal.set_wakeup_fd(one.fileno())
    before = state()
    call_command("jobworker", burst=True, processes=1, verbosity=0)
    print(before == state(), before[1] == one.fileno())
"""


def test_program_gets_its_handlers_back(engine: Engine) -> None:
    """A worker in a program leaves the signals as it found them, and no open pipe."""
    result = tasks.add.enqueue(1, 2)
    assert run(IN_A_PROGRAM) == ["True True"]
    assert result.wait(PATIENCE) == 3


IN_A_THREAD = """
import threading
import django
from django.core.management import CommandError, call_command

def call(name, **options):
    try:
        call_command(name, **options)
    except CommandError as error:
        print(error)

django.setup()
for name in ("jobworker", "jobscheduler"):
    thread = threading.Thread(target=call, args=[name])
    thread.start()
    thread.join()
    call(name, reload=True)
"""


def test_what_a_program_can_not_do_is_explained() -> None:
    """In a thread, or with a reload."""
    assert run(IN_A_THREAD) == [
        line.format(name)
        for name in ("jobworker", "jobscheduler")
        for line in (
            "{0} handles signals, and Python allows that only in the main thread: call it there, "
            "or start it as a process of its own.",
            "--reload starts the program again: use it on the command line, and call {0} "
            "without it.",
        )
    ]
