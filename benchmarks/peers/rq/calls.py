"""How it is enqueued."""

from collections.abc import Sequence

import django_rq

from benchmarks.peers.rq.tasks import noop

AT_ONCE = 1000  # jobs of a bulk call


def enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        django_rq.enqueue(noop, number)


def bulk(numbers: Sequence[int]) -> None:
    queue = django_rq.get_queue("default")
    for start in range(0, len(numbers), AT_ONCE):
        chunk = numbers[start : start + AT_ONCE]
        queue.enqueue_many([queue.prepare_data(noop, args=(number,)) for number in chunk])


fill = bulk
