"""The server that a process meets: its version, and whether it evicts jobs."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from django_jobqueue.engine import Engine
from django_jobqueue.engine.handshake import check_server
from django_jobqueue.exceptions import ServerUnfit


def answering(**info: str) -> Callable[[Any], list[Any]]:
    """Return what reads INFO of a server that can't be run here."""
    return lambda ask: [info, {}]


def test_reads_the_server_that_runs(engine: Engine) -> None:
    """Its version and policy are good enough for the tests."""
    seen: list[Any] = []

    def read(ask: Any) -> list[Any]:
        seen.extend(engine.client._read(ask))
        return seen

    check_server(read, "here")
    assert seen[0]["redis_version"] == engine.client.redis.info("server")["redis_version"]
    assert seen[1]["maxmemory_policy"] == "noeviction"


@pytest.mark.parametrize("version", ["7.x.1", "8.0.0-rc1", "255.255.255"])
def test_odd_versions_are_read(version: str) -> None:
    """A server of one's own build must not stop a worker with a traceback."""
    check_server(answering(redis_version=version), "here")


@pytest.mark.parametrize("version", ["6.0.16", "5.0.14", "0", "nonsense"])
def test_old_servers_are_unfit(version: str) -> None:
    """The error names the version."""
    with pytest.raises(ServerUnfit, match=rf"at here is Redis {version}; .*needs Redis 6\.2"):
        check_server(answering(redis_version=version), "here")


def test_evicting_servers_are_unfit() -> None:
    """One that may evict what has a time to live is not."""
    check_server(answering(redis_version="6.2.0", maxmemory_policy="volatile-lru"), "here")
    with pytest.raises(ServerUnfit, match="maxmemory-policy allkeys-lfu"):
        check_server(answering(redis_version="7.2.4", maxmemory_policy="allkeys-lfu"), "here")


def test_user_who_may_not_ask_is_let_in(caplog: pytest.LogCaptureFixture) -> None:
    """INFO is no right that a queue needs."""
    refused = NoPermissionError("this user has no permissions to run the 'info' command")
    caplog.set_level("INFO", logger="django_jobqueue")
    check_server(lambda ask: [refused, refused], "here")
    assert "go unchecked" in caplog.text
