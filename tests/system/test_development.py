"""Workers as they run in development and where processes can't be forked."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.jobs import new_job
from tests.support.processes import PATIENCE, ROOT, WorkerProcess, lines, started, until

SETTINGS = """
from tests.project.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "live"]
"""
VERSION = """
from django_jobqueue import task

@task
def version():
    return {!r}
"""
SPAWNING = """
import sys
from types import SimpleNamespace

import django_jobqueue.worker.supervisor
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    django_jobqueue.worker.supervisor.sys = SimpleNamespace(platform="darwin")
    execute_from_command_line(["manage.py", "jobworker", "--no-reload", *sys.argv[1:]])
"""


def ask_version(engine: Engine) -> object:
    """Run the live task once and return what it says."""
    job_id, path = new_id(), "live.tasks.version"
    payload = engine.signer.sign(job_id, path, b'{"args":[],"kwargs":{}}')
    engine.jobs.enqueue([new_job(job_id, "default", path, payload)])
    until(lambda: engine.inspector.job(job_id).state.is_final)
    return engine.inspector.job(job_id).result


def test_reload_runs_new_code_and_survives_a_broken_one(
    worker_process: Callable[..., WorkerProcess], engine: Engine, tmp_path: Path
) -> None:
    """After a change the worker restarts; a syntax error is waited out; SIGTERM ends all."""
    code = tmp_path / "live" / "tasks.py"
    code.parent.mkdir()
    (code.parent / "__init__.py").touch()
    (tmp_path / "live_settings.py").write_text(SETTINGS)
    code.write_text(VERSION.format("one"))
    worker = worker_process(
        "--reload",
        "--processes",
        "1",
        DJANGO_SETTINGS_MODULE="live_settings",
        PYTHONPATH=os.pathsep.join(map(str, [tmp_path, ROOT, ROOT / "testproject"])),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert ask_version(engine) == b'"one"'
    code.write_text("this is no Python")
    until(lambda: "SyntaxError" in worker.output())
    code.write_text(VERSION.format("two"))
    until(lambda: worker.output().count("jobworker ") >= 2)
    assert ask_version(engine) == b'"two"'
    assert worker.stop() == 0


def test_a_killed_worker_restarts_and_runs_its_job_again(
    worker_process: Callable[..., WorkerProcess], engine: Engine, tmp_path: Path
) -> None:
    """As the tutorial has its readers do it: the pid is the one that the admin shows."""
    oracle, gate = tmp_path / "oracle", tmp_path / "gate"
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--reload", "--processes", "1", TEST_LEASE="2")
    started(oracle)
    (shown,) = engine.inspector.workers()
    os.kill(shown.pid, signal.SIGKILL)
    until(lambda: "The worker was killed: it restarts" in worker.output())
    gate.touch()
    assert held.wait(2 * PATIENCE) == "held"
    assert held.recoveries == 1
    assert worker.stop() == 0


@pytest.mark.parametrize("to_group", [False, True], ids=["kill", "terminal"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_worker_once(
    worker_process: Callable[..., WorkerProcess],
    engine: Engine,
    tmp_path: Path,
    to_group: bool,
    signum: int,
) -> None:
    """Whoever sends it, and to whom: the first lets the running job finish, the second does not."""
    oracle, gate = tmp_path / "oracle", tmp_path / "gate"
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--reload", "--processes", "1")
    send = os.killpg if to_group else os.kill  # it leads the group that the terminal would signal
    started(oracle)
    send(worker.pid, signum)
    until(lambda: any(one.stopping for one in engine.inspector.workers()))
    if signum == signal.SIGINT:
        send(worker.pid, signum)
        assert worker.wait() == 0
        held.refresh()
        assert (held.state, held.attempts) == (State.QUEUED, 0)
    else:
        gate.touch()
        assert worker.wait() == 0
        assert held.wait(PATIENCE) == "held"


def test_a_signal_while_the_worker_restarts_ends_all(
    worker_process: Callable[..., WorkerProcess], engine: Engine, tmp_path: Path
) -> None:
    """It reaches the worker that ends, and the next one is not left waiting for another."""
    code, gate, oracle = tmp_path / "live" / "tasks.py", tmp_path / "gate", tmp_path / "oracle"
    code.parent.mkdir()
    (code.parent / "__init__.py").touch()
    (tmp_path / "live_settings.py").write_text(SETTINGS)
    code.write_text(VERSION.format("one"))
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process(
        *("--reload", "--processes", "1"),
        DJANGO_SETTINGS_MODULE="live_settings",
        PYTHONPATH=os.pathsep.join(map(str, [tmp_path, ROOT, ROOT / "testproject"])),
    )
    until(lambda: lines(oracle), what="the job has started")
    code.write_text(VERSION.format("two"))
    until(lambda: "Stopping" in worker.output())
    worker.signal(signal.SIGINT)  # to this process alone, as if the worker had just ended
    gate.touch()
    assert worker.wait() == 0
    assert held.wait(PATIENCE) == "held"


def test_spawned_processes_work_like_forked_ones(engine: Engine, tmp_path: Path) -> None:
    """On macOS processes are spawned: same jobs, same stop, no orphan."""
    script, log, gate = tmp_path / "spawning.py", tmp_path / "log", tmp_path / "gate"
    oracle = tmp_path / "oracle"
    script.write_text(SPAWNING)
    path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONPATH": path,
        "TEST_APPS": "tests.project.told.Told",
        "TEST_NOTES": str(tmp_path / "notes"),
    }
    held = tasks.hold.enqueue(str(oracle), str(gate))
    cancelled = tasks.add.using(run_after=timedelta(hours=1)).enqueue(1, 2)
    assert cancelled.cancel()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), "--processes", "2", "--scheduler"],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: lines(oracle), what="the job has started")
        assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
        gate.touch()
        assert held.wait(PATIENCE) == "held"
        until(engine.inspector.schedules.seen_at, what="the scheduler has looked")
        until(
            lambda: any(line.startswith(cancelled.id) for line in lines(tmp_path / "notes")),
            what="the maintenance process tells of ends",
        )
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0, log.read_text()
    assert engine.inspector.count(State.RUNNING) == 0
    assert "Traceback" not in log.read_text()
