"""The signals with which each process of a worker begins and ends."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from tests.project import tasks
from tests.support.processes import PATIENCE, WorkerProcess, lines, until

Start = Callable[..., WorkerProcess]
APP = "tests.project.process_signals.ProcessSignals"


@pytest.fixture
def listening(worker_process: Start, oracle: Path) -> Start:
    """Start workers whose project listens."""

    def start(*arguments: str, **more: str) -> WorkerProcess:
        return worker_process(*arguments, TEST_APPS=APP, TEST_NOTES=str(oracle), **more)

    return start


def words(path: Path) -> list[list[str]]:
    return [line.split() for line in lines(path)]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_each_process_begins_and_ends(
    listening: Start, engine: Engine, oracle: Path, threads: str
) -> None:
    """In its main thread, before its first job and after its last; the supervisor is none."""
    worker = listening("--processes", "2", "--threads", threads, "--queues", "default,mail")
    worker.until_ready(2)
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    until(lambda: len(lines(oracle)) == 2, what="both have begun")
    pids = {str(pid) for pid in worker.slots()}

    assert worker.stop() == 0

    seen = words(oracle)
    what = ["JobQueueBackend", "default", "('default',", "'mail')"]
    assert [line[:5] for line in seen] == [["started", *what]] * 2 + [["stopping", *what]] * 2
    assert sorted(line[5] for line in seen) == ["0", "0", "1", "1"]
    assert {line[6] for line in seen} == {"True"}
    assert {line[7] for line in seen} == pids
    assert str(worker.pid) not in pids


def test_killed_process_says_no_goodbye(listening: Start, engine: Engine, oracle: Path) -> None:
    """The one that replaces it begins anew."""
    worker = listening("--processes", "1").until_ready()
    until(lambda: len(lines(oracle)) == 1, what="it has begun")
    os.kill(worker.slots()[0], signal.SIGKILL)
    until(lambda: len(lines(oracle)) == 2, what="another one has begun")
    assert [line[0] for line in words(oracle)] == ["started", "started"]


@pytest.mark.parametrize("what", ["started", "stopping"])
def test_receiver_that_raises_stops_nothing(
    listening: Start, engine: Engine, oracle: Path, what: str
) -> None:
    """The process works and ends as it would."""
    worker = listening("--processes", "1", TEST_BREAKS=what).until_ready()
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    assert worker.stop() == 0
    assert [line[0] for line in words(oracle)] == ["started", "stopping"]


def test_receiver_that_exits_is_told_and_the_next_process_waits(
    listening: Start, engine: Engine, oracle: Path
) -> None:
    """Its exit code of 0 does not pass for an orderly end."""
    worker = listening("--processes", "1", TEST_EXITS="started")
    until(lambda: len(lines(oracle)) >= 4, what="it was tried again")
    text = worker.output()
    assert "A receiver of a signal ended process 0: SystemExit(0)" in text
    assert "ended: exited_1" in text
    assert worker.stop() == 0
