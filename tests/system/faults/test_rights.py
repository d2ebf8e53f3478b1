"""What workers and callers do while their Redis user lacks a command, and when it has it again.

A script without a command stops half-way, and Redis keeps what it wrote before.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from django_jobqueue.engine import Engine
from django_jobqueue.engine.scripts import standard
from django_jobqueue.jobs.states import State
from tests.project import fault_tasks
from tests.support import acl
from tests.support.consistency import assert_consistent
from tests.support.processes import WorkerProcess, until
from tests.support.proxy import FaultProxy
from tests.support.servers import TcpServer

from .conftest import Oracle, until_final
from .load import Caller, until_resumed

Start = Callable[..., WorkerProcess]
LEASE = 2.0  # seconds
AWAY = 2.0  # seconds
ATTACH = standard().all["attach"].sha.encode()


class Rights:
    """What the user of docs/how-to/secure-redis.md may do on a server."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        acl.grant(server.client)

    def take(self, command: str) -> None:
        self._server.client.execute_command("ACL", "SETUSER", acl.USER, f"-{command}")

    def give_back(self, command: str) -> None:
        self._server.client.execute_command("ACL", "SETUSER", acl.USER, f"+{command}")


@pytest.fixture
def rights(
    server: TcpServer, engine: Engine, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rights]:
    """Log callers and workers in as the user; `engine` may do everything."""
    rights = Rights(server)
    monkeypatch.setenv("TEST_REDIS_URL", as_user(proxy.url))
    monkeypatch.setenv("TEST_LEASE", str(LEASE))
    entry: dict[str, Any] = settings.TASKS["default"]
    options = entry["OPTIONS"] | {"URL": as_user(server.url)}
    with override_settings(TASKS={"default": entry | {"OPTIONS": options}}):
        yield rights
    server.client.execute_command("ACL", "DELUSER", acl.USER)


def as_user(url: str) -> str:
    return url.replace("//", f"//{acl.LOGIN}")


def knows(worker: WorkerProcess) -> bool:
    """Tell whether a worker has been refused, and says what to do."""
    return "The ACL of the Redis user forbids it" in worker.output()


@pytest.mark.parametrize("command", ["zadd", "hset"])
def test_no_accepted_job_is_lost_without_a_command(
    worker_process: Start, engine: Engine, rights: Rights, oracle: Oracle, command: str
) -> None:
    """Callers are refused, workers wait; with the right back all goes on by itself."""
    workers = [worker_process("--processes", "1", "--threads", "4") for _ in range(2)]
    slots = [worker.until_ready(1).slots() for worker in workers]
    with Caller(oracle) as caller:
        caller.until_accepted(100)
        rights.take(command)
        until(lambda: caller.refused)
        until(lambda: all(map(knows, workers)))
        before = len(caller.accepted)
        time.sleep(AWAY)  # the rights are away for as long as a lease
        assert len(caller.accepted) == before
        rights.give_back(command)
        until_resumed(caller, oracle)
        caller.until_accepted(100)
    assert all("Secure Redis" in error for error in caller.refused)
    ran_as_recorded(engine, caller, oracle)
    assert [worker.slots() for worker in workers] == slots
    assert [worker.stop() for worker in workers] == [0, 0]
    remains_of_the_refused(engine)


def ran_as_recorded(engine: Engine, caller: Caller, oracle: Oracle) -> None:
    """All accepted jobs have ended, and each start is a run on record."""
    until(lambda: all(job.state.is_final for job in engine.inspector.jobs(list(caller.ids()))))
    jobs, starts = engine.inspector.jobs(list(caller.ids())), oracle.starts()
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert {job.attempts for job in jobs} == {1}
    more = {job.id: (starts[job.id], job.runs) for job in jobs if starts[job.id] > len(job.runs)}
    assert more == {}
    assert all(starts[job.id] for job in jobs)


def remains_of_the_refused(engine: Engine) -> None:
    """Nothing else is left over; then it is removed, for the auditor of the fixture."""
    assert_consistent(engine, remains=True)
    engine.client.redis.flushall()


@pytest.mark.parametrize("command", ["zadd", "hset"])
def test_a_worker_attaches_anew_when_its_rights_are_back(
    worker_process: Start,
    engine: Engine,
    rights: Rights,
    proxy: FaultProxy,
    oracle: Oracle,
    command: str,
) -> None:
    """The rights may have come with other keys, so what was known of them is asked again."""
    worker = worker_process("--processes", "1")
    slots = worker.until_ready(1).slots()
    until(engine.inspector.workers)
    rights.take(command)
    until(lambda: knows(worker))
    proxy.drop_replies(1, of=ATTACH)
    rights.give_back(command)
    until(lambda: proxy.counts["dropped"])
    job = fault_tasks.work.enqueue(oracle.path)
    until_final(engine, [job])
    assert worker.slots() == slots
    assert worker.stop() == 0
