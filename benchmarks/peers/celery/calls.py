"""How it is enqueued."""

from collections.abc import Sequence

from benchmarks.peers.celery.app import app
from benchmarks.peers.celery.tasks import noop

app.set_default()


def enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        noop.delay(number)


fill = enqueue
