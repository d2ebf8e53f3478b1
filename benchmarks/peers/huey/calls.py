"""How it is enqueued."""

from collections.abc import Sequence

from huey.contrib.djhuey import HUEY

from benchmarks.peers.huey.tasks import noop


def enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        noop(number)


def fill(numbers: Sequence[int]) -> None:
    """Send the library's own messages in one pipeline."""
    connection = HUEY.storage.conn
    HUEY.storage.conn = connection.pipeline(transaction=False)
    try:
        enqueue(numbers)
        HUEY.storage.conn.execute()
    finally:
        HUEY.storage.conn = connection
