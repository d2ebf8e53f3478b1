"""The password of Redis changes while a worker is busy, and its connections end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from redis import Redis

from embedded.server import EmbeddedServer
from tests.project import tasks
from tests.project.settings import OPTIONS, TASKS
from tests.support.processes import WorkerProcess, lines, until

Command = tuple[str, ...]
KILL: Command = ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
# Way -> the log-in, the commands that make it, those that change it, and those that change it back.
WAYS: dict[str, tuple[str, list[Command], list[Command], list[Command]]] = {
    "a user's": (
        "jobs:old@",
        [("ACL", "SETUSER", "jobs", "on", ">old", "~*", "&*", "+@all")],
        [("ACL", "SETUSER", "jobs", "<old", ">new")],
        [("ACL", "SETUSER", "jobs", ">old")],
    ),
    "the server's": (
        ":old@",
        [("CONFIG", "SET", "requirepass", "old")],
        [("CONFIG", "SET", "requirepass", "new")],
        [("CONFIG", "SET", "requirepass", "old")],
    ),
    "the server's first": (
        "",
        [],
        [("CONFIG", "SET", "requirepass", "new")],
        [("CONFIG", "SET", "requirepass", "")],
    ),
}


WORDS = {
    "slot": "Trying again until it answers.",
    "supervisor": "Running jobs run on",
    "worker": "The worker is not healthy",
}
TELLERS = {*WORDS}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "server", config={"appendonly": "no"}) as server:
        yield server


def refusals(worker: WorkerProcess) -> list[str]:
    return [line for line in worker.output().splitlines() if "restart this process" in line]


def tellers(worker: WorkerProcess) -> set[str]:
    """Return who has told of it; the worker may say why, or that its slot has said so."""
    told = [line for line in worker.output().splitlines() if "ERROR" in line]
    refused = [line for line in told if "restart this process" in line or "refused by" in line]
    return {teller for teller, words in WORDS.items() if any(words in line for line in refused)}


@pytest.mark.parametrize("way", WAYS)
def test_refused_log_in_is_named(
    server: EmbeddedServer,
    worker_process: Callable[..., WorkerProcess],
    tmp_path: Path,
    way: str,
) -> None:
    """In the log and as the reason why the worker is not healthy; work goes on afterwards."""
    login, make, change, restore = WAYS[way]
    administrator: Any = Redis(unix_socket_path=str(server.socket), single_connection_client=True)
    for command in make:
        administrator.execute_command(*command)
    url, ran, health = f"unix://{login}{server.socket}?db=1", tmp_path / "ran", tmp_path / "health"
    params = TASKS["default"] | {"OPTIONS": OPTIONS | {"URL": url}}
    with override_settings(TASKS={"default": params}):
        tasks.circle.enqueue_many([(str(ran),)] * 4)
        worker = worker_process(
            "--processes", "1", "--health-file", str(health), TEST_REDIS_URL=url
        )
        until(lambda: len(lines(ran)) > 50)
        for command in (*change, KILL):
            administrator.execute_command(*command)
        until(lambda: tellers(worker) == TELLERS, what="all have told of it")
        told = refusals(worker)
        assert all("ERROR" in line for line in told)
        assert len(told) <= 3
        assert "old" not in worker.output()

        before = len(lines(ran))
        for command in restore:
            administrator.execute_command(*command)
        until(lambda: "The worker is healthy again." in worker.output())
        until(lambda: len(lines(ran)) > before + 50)
        assert worker.stop() == 0
    administrator.close()
