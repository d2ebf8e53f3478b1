"""Fixtures: a private server, an engine on it, a clock to move, workers to kill."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import engine as engines
from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.jobs import NewJob
from django_jobqueue.engine.scripts import Scripts
from django_jobqueue.jobs.job import new_id
from django_jobqueue.schedules import spec
from embedded.server import EmbeddedServer

from . import acl
from .consistency import assert_consistent
from .project.settings import SOCKET
from .rig import SchedulerProcess, WorkerProcess, alive

TEST_CLOCK = """
local function now()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)
    + (redis.call('GET', KEYS[1] .. 'clock') or 0))
end
"""


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedServer]:
    """A server for this test session, on the socket that the settings name."""
    socket = Path(SOCKET)
    socket.parent.mkdir(parents=True, exist_ok=True)
    config = {"appendonly": "no", "save": "", "hz": "100"}
    if acl.WANTED:
        config["user"] = acl.directive()
    with EmbeddedServer(socket.parent, socket=socket, config=config) as server:
        yield server


@pytest.fixture(scope="session", autouse=acl.WANTED)
def administration() -> Iterator[None]:
    """What tests do to the server by hand, they do as its administrator."""
    plain = Connection.__init__

    def prepare(self: Connection, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        self.client = acl.hands(self.client)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "__init__", prepare)
        yield


@pytest.fixture
def engine(redis_server: EmbeddedServer) -> Iterator[Engine]:
    """The engine of the alias "default" on an empty server; the auditor looks at the end."""
    engines.close_engines()
    engine = engines.get_engine("default")
    engine.connection.client.flushall()
    engine.connection.attach()
    yield engine
    if redis_server.running:
        assert_consistent(engine)
    engines.close_engines()


class Clock:
    """The server's clock as the scripts of the `clock` fixture see it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def move(self, seconds: float) -> None:
        keys, client = self._engine.connection.keys, self._engine.connection.client
        client.incrby(keys("clock"), int(seconds * 1000))


@pytest.fixture
def clock(engine: Engine) -> Clock:
    """A clock to move: from here on the default engine's scripts use it."""
    moved = Connection("default", load("default"), scripts=Scripts(clock=TEST_CLOCK))
    moved.attach()
    vars(engine).update(vars(Engine(moved)))  # the same object, on the other scripts
    return Clock(engine)


@pytest.fixture
def make_job(engine: Engine) -> Callable[..., str]:
    """Store a job and return its id."""

    def make(
        task: str = "tests.project.tasks.noop", queue: str = "default", **given: object
    ) -> str:
        job_id = new_id()
        data = given.pop("data", b'{"args":[],"kwargs":{}}')
        payload = engine.signer.sign(job_id, task, data)  # type: ignore[arg-type]
        engine.jobs.enqueue(NewJob(job_id, queue, task, payload, **given))  # type: ignore[arg-type]
        return job_id

    return make


@pytest.fixture
def slot() -> Slot:
    return Slot("worker-1", "0.0")


@pytest.fixture
def worker_process(engine: Engine, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start real workers; whatever is left of them is killed at the end."""
    yield from starter(WorkerProcess, tmp_path)


@pytest.fixture
def scheduler_process(engine: Engine, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start real schedulers; whatever is left of them is killed at the end."""
    yield from starter(SchedulerProcess, tmp_path)


def starter(kind: type[WorkerProcess], folder: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Yield what starts processes of a kind."""
    started: list[WorkerProcess] = []

    def start(*arguments: str, **environment: str) -> WorkerProcess:
        log = folder / f"{kind.command}-{len(started)}.log"
        worker = kind(log, arguments, environment)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        pids = [worker.pid, *worker.slots()]
        for pid in pids:
            if alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        worker.process.wait()
        print(f"── {worker.log.name} ──\n{worker.output()}")  # noqa: T201 - shown if the test fails


@pytest.fixture
def declarations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules that the test declares in code are forgotten after it."""
    monkeypatch.setattr(spec, "_declared", {})
