"""How it is enqueued."""

from collections.abc import Sequence
from typing import Any

from django.tasks import task_backends

from benchmarks.peers.vtasks.tasks import noop


def enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        noop.enqueue(number)


def bulk(numbers: Sequence[int]) -> None:
    backend: Any = task_backends["default"]
    backend.enqueue_many([(noop, (number,), {}) for number in numbers])


fill = bulk
