"""How it is enqueued."""

from collections.abc import Sequence

from benchmarks.peers.jobqueue.tasks import noop


def enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        noop.enqueue(number)


def bulk(numbers: Sequence[int]) -> None:
    noop.enqueue_many([(number,) for number in numbers])


fill = bulk
