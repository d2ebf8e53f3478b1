"""Walks through the pages of the documentation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from embedded.server import EmbeddedServer
from tests.support.docs import Walk


@pytest.fixture(scope="session")
def new_walk(redis_server: EmbeddedServer) -> Iterator[Callable[[Path], Walk]]:
    """Begin walks, each in a database of its own, because each has its own SECRET_KEY."""
    walks: list[Walk] = []

    def begin(folder: Path) -> Walk:
        if len(walks) >= 12:
            walks[-12].stop()  # its database is used again, and a worker of it would take the jobs
        url = f"unix://{redis_server.socket}?db={len(walks) % 12 + 4}"
        with Redis.from_url(url) as client:
            client.flushdb()
        walks.append(Walk(folder, url))
        return walks[-1]

    yield begin
    for walk in walks:
        walk.stop()
