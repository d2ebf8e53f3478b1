"""What the commands print: it holds nothing that steers a terminal, and can't end them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from tests.project import tasks
from tests.support import processes
from tests.support.processes import PATIENCE, ROOT, WorkerProcess, lines, started, until

Start = Callable[..., WorkerProcess]

OUTPUTS = [">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full", ">/dev/full 2>&1", "> >(true) 2>&1"]


@pytest.fixture(params=OUTPUTS)
def unwritable(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands start with an output that can't be written."""
    monkeypatch.setattr(processes, "BEFORE", ["bash", "-c", f'exec "$@" {request.param}', "-"])


@pytest.mark.usefixtures("unwritable")
def test_worker_needs_no_output(worker_process: Start, engine: Engine) -> None:
    """It runs jobs, also one that prints, and ends in order."""
    worker = worker_process("--processes", "1", "--max-jobs", "2", "--verbosity", "3")
    for text in ("first", "second", "third"):
        assert tasks.speak.enqueue(text).wait(PATIENCE) == "spoken"
    assert tasks.count_open.enqueue().wait(PATIENCE) == 3
    assert worker.stop() == 0


@pytest.mark.usefixtures("unwritable")
def test_scheduler_needs_no_output(scheduler_process: Start, tmp_path: Path) -> None:
    """It runs, and ends in order."""
    health = tmp_path / "health"
    scheduler = scheduler_process("--health-file", str(health), "--verbosity", "3")
    until(health.exists)
    assert scheduler.stop() == 0


@pytest.mark.parametrize("is_of_project", [False, True], ids=["own log", "LOGGING"])
def test_reader_that_reads_nothing_holds_up_no_worker(
    worker_process: Start,
    engine: Engine,
    oracle: Path,
    gate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_of_project: bool,
) -> None:
    """It runs jobs, keeps its leases, and stops when it is asked to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(processes, "BEFORE", ["bash", "-c", f'exec "$@" >{pipe} 2>&1', "-"])
    given = {"TEST_LEASE": "2"}
    if is_of_project:
        root = {"handlers": ["terminal"], "level": "DEBUG"}
        handlers = {"terminal": {"class": "logging.StreamHandler"}}
        given["TEST_LOGGING"] = json.dumps({"version": 1, "handlers": handlers, "root": root})
    worker = worker_process("--processes", "2", "--verbosity", "3", **given)
    held = tasks.hold.enqueue(str(oracle), str(gate))
    started(oracle)
    assert tasks.speak.enqueue("x" * 60_000).wait(PATIENCE) == "spoken"
    for done in tasks.add.enqueue_many([(1, 2)] * 800):  # the lines of their ends fill a pipe
        assert done.wait(PATIENCE) == 3
    holder = int(lines(oracle)[0].split()[-1])
    (idle,) = set(worker.slots()) - {holder}
    os.kill(idle, signal.SIGKILL)  # the supervisor says something too
    until(lambda: len(worker.slots()) == 2 and idle not in worker.slots())
    worker.signal(signal.SIGTERM)
    until(lambda: any(one.stopping for one in engine.inspector.workers()))
    gate.touch()
    assert worker.wait() == 0
    assert held.wait(0) == "held"
    assert held.recoveries == 0
    os.close(reader)


def test_terminal_without_the_letters(worker_process: Start, engine: Engine) -> None:
    """What its encoding lacks is spelled."""
    tasks.noop.enqueue()
    worker = worker_process("--processes", "1", "--burst", PYTHONIOENCODING="koi8-r")
    assert worker.wait() == 0
    assert "1 \\xd7 1 slots" in worker.log.read_text("koi8-r")


def manage(*arguments: str) -> str:
    """Run a command; return all that it prints."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
    given = {"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PYTHONPATH": path}
    command = [sys.executable, "-m", "django", *arguments]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["jobworker", "--no-reload"],
        ["jobscheduler", "--no-reload"],
        ["jobqueue", "cancel", "x"],
        ["jobqueue", "re-sign"],
        ["jobqueue", "status"],
        ["check", "--deploy"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("field", ["schema", "owner"])
def test_text_from_redis_steers_no_terminal(engine: Engine, command: list[str], field: str) -> None:
    """Nor does it make a line of its own."""
    meta = engine.client.keys("meta")
    kept = engine.client.redis.hget(meta, field)
    engine.client.redis.hset(meta, field, "9.9\x1b[31m\nFAKE LINE\u202e")
    try:
        told = manage(*command)
    finally:
        engine.client.redis.hset(meta, field, kept)
    assert "9.9\\x1b[31m FAKE LINE\\u202e" in told
    assert not set("\x1b\u202e") & set(told)


def test_former_owner_steers_no_terminal(engine: Engine) -> None:
    """`adopt` prints what somebody has written there."""
    engine.client.redis.hset(engine.client.keys("meta"), "owner", "9.9\x1b[31m\nFAKE LINE\u202e")
    told = manage("jobqueue", "--force-color", "adopt", "--noinput")
    assert "9.9\\x1b[31m FAKE LINE\\u202e" in told
    assert "\nFAKE" not in told
