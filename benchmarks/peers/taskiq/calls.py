"""How it is enqueued: from one event loop, as an async application does."""

import asyncio
from collections.abc import Sequence

from benchmarks.peers.taskiq.tasks import broker, noop

TOGETHER = 50  # calls on their way at a time

_loop = asyncio.new_event_loop()
_loop.run_until_complete(broker.startup())


def enqueue(numbers: Sequence[int]) -> None:
    _loop.run_until_complete(_enqueue(numbers))


def fill(numbers: Sequence[int]) -> None:
    _loop.run_until_complete(_fill(numbers))


async def _enqueue(numbers: Sequence[int]) -> None:
    for number in numbers:
        await noop.kiq(number)


async def _fill(numbers: Sequence[int]) -> None:
    for start in range(0, len(numbers), TOGETHER):
        await asyncio.gather(*map(noop.kiq, numbers[start : start + TOGETHER]))
