"""Several indexes read as one: a page of their jobs in the order of the scores.

Next: engine/inspector.py reads the jobs.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from redis.client import Pipeline

from django_jobqueue.jobs.text import text

Read = Callable[[Callable[[Pipeline], object]], list[Any]]
Index = str | bytes
Entry = tuple[float, bytes]  # score and id
FEW = 1_000  # entries of an index that cost less to read than to skip
LEAST = 10  # entries of an index that are read at once
CLOSE = 100  # entries before a page that need not be skipped any more
LARGEST = 2**53  # no score of ours is beyond it


def merged_ids(
    read: Read, indexes: Sequence[Index], start: int, stop: int, *, newest_first: bool
) -> list[str]:
    """Return the ids from rank `start` to before `stop` of the indexes merged by score.

    Deep pages skip what stands before them, without reading it.
    """
    if stop <= start:
        return []
    before = [0] * len(indexes)
    if stop > FEW:
        before = _Skip(read, indexes, newest_first).ranks(start)
    skipped = sum(before)
    merged = _first(read, indexes, before, stop - skipped, newest_first=newest_first)
    return [text(job_id) for _, job_id in merged[start - skipped :]]


def _first(
    read: Read, indexes: Sequence[Index], before: Sequence[int], wanted: int, *, newest_first: bool
) -> list[Entry]:
    """Return the first entries of all indexes, those of each from its rank in `before`.

    As the page may be spread over all of them, only its share of each is read, and then more of
    those whose share stands in the page as a whole.
    """
    pages: dict[int, list[Entry]] = {}
    merged: list[Entry] = []
    size, unread = max(LEAST, 2 * wanted // max(1, len(indexes))), list(range(len(indexes)))
    while unread:

        def ask(pipe: Pipeline, unread: list[int] = unread, size: int = size) -> None:
            for one in unread:
                last = before[one] + size - 1
                pipe.zrange(indexes[one], before[one], last, desc=newest_first, withscores=True)

        for one, page in zip(unread, read(ask), strict=True):
            pages[one] = [(float(score), i) for i, score in page or ()]
        every = heapq.merge(*pages.values(), reverse=newest_first)
        merged = list(islice(every, wanted))
        seen = {i for _, i in merged}
        cut = [one for one in unread if len(pages[one]) == size and pages[one][-1][1] in seen]
        unread = cut if size < wanted else []
        size = min(wanted, 4 * size)
    return merged


class _Skip:
    """Finds how many entries of each index stand before a rank of all of them."""

    def __init__(self, read: Read, indexes: Sequence[Index], newest_first: bool) -> None:
        self._read = read
        self._indexes = indexes
        self._newest_first = newest_first

    def ranks(self, start: int) -> list[int]:
        """Return how many entries of each index are skipped, at most `start` together.

        They are those before one score with at most `start` entries before it, found by halving:
        a count costs the server few steps.
        """
        scores = self._bounds()
        if not scores:
            return [0] * len(self._indexes)
        near, far = min(scores), max(scores)
        found = self._before(near)
        while near < far and start - sum(found) > CLOSE:
            middle = (near + far + 1) // 2
            ranks = self._before(middle)
            if sum(ranks) <= start:
                near, found = middle, ranks
            else:
                far = middle - 1
        return found

    def _bounds(self) -> list[int]:
        """Return the scores between which the page begins, turned so that they rise."""

        def ask(pipe: Pipeline) -> None:
            for index in self._indexes:
                for rank in (0, -1):
                    pipe.zrange(index, rank, rank, desc=self._newest_first, withscores=True)

        return [self._turned(float(score)) for page in self._read(ask) for _, score in page or ()]

    def _before(self, place: int) -> list[int]:
        """Return how many entries of each index stand before a turned score."""
        score = f"({self._turned(place)}"
        low, high = (score, "+inf") if self._newest_first else ("-inf", score)

        def ask(pipe: Pipeline) -> None:
            for index in self._indexes:
                pipe.zcount(index, low, high)

        return [int(count or 0) for count in self._read(ask)]

    def _turned(self, score: float) -> int:
        whole = int(max(-LARGEST, min(score, LARGEST)))
        return -whole if self._newest_first else whole
