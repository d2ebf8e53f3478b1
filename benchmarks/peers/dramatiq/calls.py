"""How it is enqueued."""

from collections.abc import Sequence

from benchmarks.peers.dramatiq.tasks import noop


def enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        noop.send(number)


fill = enqueue
