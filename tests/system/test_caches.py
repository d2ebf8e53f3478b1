"""Connections to caches: no two processes share one, and no job reads the answer to another's."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from tests.project import line_cache
from tests.support.processes import PATIENCE, WorkerProcess, started, until

Start = Callable[..., WorkerProcess]


class LineServer(socketserver.ThreadingTCPServer):
    """Answer each line with that line and the number of its connection; "late" when told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.connections = 0
        self.may_answer_late = threading.Event()


class Answers(socketserver.StreamRequestHandler):
    server: LineServer

    def handle(self) -> None:
        self.server.connections += 1
        number = self.server.connections
        for line in self.rfile:
            if line.strip() == b"late":
                self.server.may_answer_late.wait(PATIENCE)
            self.wfile.write(b"%s %d\n" % (line.strip(), number))


@pytest.fixture
def lines() -> Iterator[LineServer]:
    with LineServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.may_answer_late.set()
        server.shutdown()


@pytest.fixture
def caching(worker_process: Start, lines: LineServer) -> Start:
    """Start workers whose project has that cache."""
    location = {
        "BACKEND": "tests.project.line_cache.LineCache",
        "LOCATION": lines.server_address[1],
    }

    def start(*arguments: str, **more: str) -> WorkerProcess:
        return worker_process(*arguments, TEST_CACHES=json.dumps({"lines": location}), **more)

    return start


def test_processes_share_no_connection(
    caching: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """Although the project has used the cache before the fork."""
    keys = ["one", "two"]
    results = [line_cache.ask_together.enqueue(str(oracle), str(gate), key) for key in keys]
    caching("--processes", "2", TEST_APPS="tests.project.line_cache.EarlyCache")
    started(oracle, 2)
    gate.touch()
    words = [result.wait(PATIENCE).split() for result in results]
    assert [key for key, _ in words] == keys
    assert sorted(connection for _, connection in words) == ["2", "3"]


def test_answer_to_an_interrupted_job_is_not_for_the_next(
    caching: Start, engine: Engine, lines: LineServer
) -> None:
    """The slot drops the connection."""
    late = line_cache.ask_too_long.enqueue("late")
    caching("--processes", "1")
    until(lambda: engine.inspector.job(late.id).state is State.FAILED)
    lines.may_answer_late.set()
    assert line_cache.ask.enqueue("next").wait(PATIENCE) == "next 2"
