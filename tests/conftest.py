"""Fixtures: a private server, an engine on it, a clock to move, workers to kill."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models.signals import post_migrate

from django_jobqueue import engine as engines
from django_jobqueue import paths
from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.job import new_id
from django_jobqueue.schedules import spec
from django_jobqueue.schedules.stored import enter_after_migrate
from embedded.server import EmbeddedServer
from tests.support.jobs import new_job

from .project.settings import SOCKET
from .support import acl, browser
from .support.clock import TEST_CLOCK, Clock, scripts_with
from .support.consistency import assert_consistent
from .support.mail_server import MailServer, running_mail_server
from .support.processes import SchedulerProcess, WorkerProcess, alive
from .support.site import fill_database

# Under nohup, or in the background of a shell, it is ignored; and so it would be in the workers.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The tests start hundreds of processes. Where an environment forbids caches of bytecode, as that
# of many containers does, each would compile the whole package at its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a test that failed with pages open what stood on them."""
    report = yield
    if report.failed and browser.opened:
        report.sections.append(("Pages", browser.what_was_seen()))
    return report


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
    plain = Client.__init__

    def prepare(self: Client, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        self.redis = acl.hands(self.redis)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "__init__", prepare)
        yield


@pytest.fixture
def engine(redis_server: EmbeddedServer) -> Iterator[Engine]:
    """The engine of the alias "default" on an empty server; the auditor looks at the end."""
    engines.close_engines()
    engine = engines.get_engine("default")
    engine.client.redis.flushall()
    engine.client.attach()
    yield engine
    if redis_server.running:
        assert_consistent(engine)
    engines.close_engines()


@pytest.fixture
def clock(engine: Engine) -> Clock:
    """A clock to move: from here on the default engine's scripts use it."""
    moved = Client("default", load("default"), scripts=scripts_with(TEST_CLOCK))
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
        engine.jobs.enqueue([new_job(job_id, queue, task, payload, **given)])  # type: ignore[arg-type]
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


@pytest.fixture(scope="session")
def site_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables and two users, to be copied."""
    path = tmp_path_factory.mktemp("site") / "template.sqlite3"
    fill_database(TEST_DATABASE=str(path))
    return path


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server on loopback."""
    with running_mail_server() as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[browser.Chromium]:
    """A real browser; without one the test is skipped, in CI it fails."""
    with browser.launched() as chromium:
        yield chromium


@pytest.fixture(scope="session", autouse=True)
def nothing_is_entered_by_migrate() -> None:
    """The table of schedules is empty: those of the demo's apps are not entered."""
    post_migrate.disconnect(enter_after_migrate, sender=apps.get_app_config("django_jobqueue"))


@pytest.fixture
def declarations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules that the test declares in code are forgotten after it."""
    monkeypatch.setattr(spec, "_declared", {})


@pytest.fixture
def nothing_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know of no durable tasks, though other tests' modules define some."""
    known = {
        path: task for path, task in paths._tasks.items() if not getattr(task, "durable", None)
    }
    monkeypatch.setattr(paths, "_tasks", known)


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Set the OPTIONS of the alias "default", and the caches if some are given."""

    def set_options(caches: dict[str, Any] | None = None, **given: Any) -> None:
        if caches is not None:
            settings.CACHES = caches
        backend = "django_jobqueue.backend.JobQueueBackend"
        settings.TASKS = {"default": {"BACKEND": backend, "OPTIONS": given}}

    return set_options
