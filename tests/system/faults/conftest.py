"""Fixtures: a server of one's own that may be broken, the way there through a fault proxy."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from django_jobqueue import engine as engines
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job
from tests.support.consistency import assert_consistent
from tests.support.processes import PATIENCE, lines, until
from tests.support.proxy import FaultProxy
from tests.support.servers import HOST, TcpServer


class Oracle:
    """What the tasks noted in a file: it survives every kill, and Redis knows nothing of it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def starts(self) -> Counter[str]:
        """Return how often each job started, by id."""
        return self._count("start")

    def ends(self) -> Counter[str]:
        """Return how often each job came to the end of its task."""
        return self._count("end")

    def pid(self, job_id: str) -> int:
        """Return the process that started a job first."""
        return next(int(pid) for _, found, pid in self._lines() if found == job_id)

    def until_started(self, times: int) -> None:
        until(lambda: self.starts().total() >= times, what=f"{times} starts")

    def _count(self, event: str) -> Counter[str]:
        return Counter(job_id for what, job_id, _ in self._lines() if what == event)

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in lines(Path(self.path))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TcpServer]:
    with TcpServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def engine(server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine of the alias "default" on that server, empty; the auditor looks at the end.

    Workers use that server too, unless they are told of another address.
    """
    monkeypatch.setenv("TEST_REDIS_URL", server.url)
    server.start()
    server.client.flushall()
    entry: dict[str, Any] = settings.TASKS["default"]
    options = entry["OPTIONS"] | {"URL": server.url}
    with override_settings(TASKS={"default": entry | {"OPTIONS": options}}):
        engine = engines.get_engine("default")
        engine.client.attach()
        yield engine
        if server.running:
            assert_consistent(engine)


@pytest.fixture
def proxy(server: TcpServer, engine: Engine) -> Iterator[FaultProxy]:
    """The bad network; only those who use its address feel it."""
    with FaultProxy((HOST, server.port)) as proxy:
        yield proxy
        print(f"faults: {proxy.counts}")  # noqa: T201 - shown if the test fails


@pytest.fixture
def oracle(oracle: Path) -> Oracle:
    """The same file, with what is read of it."""
    return Oracle(oracle)


def open_for(pid: int, gate: Path) -> None:
    """Open the gate for one process alone."""
    gate.with_name(f"{gate.name}-{pid}").touch()


def until_final(engine: Engine, results: Sequence[Any], timeout: float = PATIENCE) -> list[Job]:
    """Return the jobs when all are final."""
    ids = [result.id for result in results]

    def final() -> list[Job]:
        with suppress(QueueUnavailable):  # a read may be the first to meet a fault
            jobs = engine.inspector.jobs(ids)
            return jobs if all(job.state.is_final for job in jobs) else []
        return []

    return until(final, timeout, "all jobs are final")
