"""The servers that are measured: private ones, without persistence."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from redis import Redis

from benchmarks.cores import Cores, on
from django_jobqueue.engine import Engine, close_engines, get_engine
from embedded.server import EmbeddedServer, find_server

CONFIG = {"appendonly": "no", "save": ""}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its name with version, and where it listens."""

    name: str
    url: str


def binaries(wanted: str | None) -> list[Path]:
    """Return the programs to measure: the named one, all that are here, or the default one."""
    if wanted != "all":
        return [find_server(wanted)]
    found = [str(find_server()), shutil.which("valkey-server"), shutil.which("redis-server")]
    paths = [Path(path) for path in found if path]
    # One program may have two names, and does what its name says: the name is kept.
    return list({path.resolve(): path for path in reversed(paths)}.values())[::-1]


def memory_binary(binary: Path, wanted: str | None) -> Path:
    """Return the program to measure memory on: Redis on PATH, unless one was asked for."""
    redis = None if wanted else shutil.which("redis-server")
    return Path(redis) if redis else binary


@contextmanager
def running(binary: Path, *, tcp: bool, cores: Cores) -> Iterator[Server]:
    """Run a server on its core, with its files in a directory that goes with it."""
    port = _free_port() if tcp else 0
    with tempfile.TemporaryDirectory(prefix="djq-benchmark-") as folder:
        config = CONFIG | {"port": str(port), "bind": "127.0.0.1"}
        server = EmbeddedServer(Path(folder), binary=binary, config=config)
        with on(cores.server):
            server.start()
        try:
            url = f"redis://127.0.0.1:{port}/0" if tcp else server.url
            yield Server(_name(url), url)
        finally:
            close_engines()
            server.stop()


def use(server: Server) -> Engine:
    """Empty a server and return the engine that enqueues on it, attached."""
    os.environ["BENCHMARK_REDIS_URL"] = server.url
    tasks: dict[str, Any] = dict(settings.TASKS)
    tasks["default"]["OPTIONS"]["URL"] = server.url
    close_engines()
    engine = get_engine("default")
    engine.client.redis.flushall()
    engine.client.attach()
    return engine


def _name(url: str) -> str:
    with Redis.from_url(url) as client:
        info = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
