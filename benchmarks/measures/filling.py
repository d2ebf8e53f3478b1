"""Put jobs into queues, as fast as it goes; how fast is not measured."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from benchmarks.tasks import noop

BATCH = 500  # jobs of a call


def fill(
    numbers: Iterable[int],
    *,
    task: Any = noop,
    queue: str = "default",
    run_after: datetime | timedelta | None = None,
) -> None:
    """Enqueue a job of each number."""
    aimed = task.using(queue_name=queue, run_after=run_after)
    left = iter(numbers)
    while chunk := list(islice(left, BATCH)):
        aimed.enqueue_many([(number, "two") for number in chunk])


def fill_evenly(numbers: Sequence[int], queues: Sequence[str]) -> None:
    """Enqueue a job of each number, one after the other in the next queue."""
    for place, queue in enumerate(queues):
        fill(numbers[place :: len(queues)], queue=queue)
