"""Connections that threads share: each is used by one call at a time."""

import sys
import threading
from collections.abc import Iterator

import pytest

from django_jobqueue.engine import Engine

TIMES = 10_000


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_may_close_at_the_same_time(engine: Engine, restless: None) -> None:
    """When a server goes, all callers find out at once: each gets its own error, and no other."""
    client, pool = engine.client, engine.client.pool
    idle = pool.connection_class(**pool.connection_kwargs)
    failed: list[BaseException] = []

    def close() -> None:
        try:
            for _ in range(TIMES):
                client.sockets.idle.extend([idle] * 3)
                client.close()
        except IndexError as error:
            failed.append(error)

    threads = [threading.Thread(target=close) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
