"""Several indexes read as one: a page of their jobs in the order of the scores.

Next: engine/inspector.py reads the jobs.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.raw_reads import read_raw
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.text import text

Index = str | bytes
Entry = tuple[float, bytes]  # score and id
FEW = 1_000  # entries of an index that cost less to read than to skip
LEAST = 3  # entries of an index that are read at once: there may be 200 for a page of 50
CLOSE = 100  # entries before a page that need not be skipped any more
LARGEST = 2**53  # no score of ours is beyond it


def merged_ids(
    client: Client, indexes: Sequence[Index], start: int, stop: int, *, newest_first: bool
) -> list[str]:
    """Return the ids from rank `start` to before `stop` of the indexes merged by score.

    Deep pages skip what stands before them, without reading it.
    """
    if stop <= start:
        return []
    before = [0] * len(indexes)
    if stop > FEW:
        before = _Skip(client, indexes, newest_first).ranks(start)
    skipped = sum(before)
    merged = _first(client, indexes, before, stop - skipped, newest_first=newest_first)
    return [text(job_id) for _, job_id in merged[start - skipped :]]


def _first(
    client: Client,
    indexes: Sequence[Index],
    before: Sequence[int],
    wanted: int,
    *,
    newest_first: bool,
) -> list[Entry]:
    """Return the first entries of all indexes, those of each from its rank in `before`.

    As the page may be spread over all of them, only its share of each is read, and then more of
    those whose share stands in the page as a whole.
    """
    pages: dict[int, list[Entry]] = {}
    merged: list[Entry] = []
    size, unread = max(LEAST, 2 * wanted // max(1, len(indexes))), list(range(len(indexes)))
    while unread:
        commands = [
            _range(indexes[one], before[one], before[one] + size - 1, newest_first)
            for one in unread
        ]
        for one, page in zip(unread, read_raw(client, commands), strict=True):
            pages[one] = _entries(page)
        merged = sorted(chain(*pages.values()), reverse=newest_first)[:wanted]
        seen = {i for _, i in merged}
        cut = [one for one in unread if len(pages[one]) == size and pages[one][-1][1] in seen]
        unread = cut if size < wanted else []
        size = min(wanted, 4 * size)
    return merged


def _range(index: Index, first: int, last: int, newest_first: bool) -> Sequence[Argument]:
    """Return the command that reads entries by rank, with their scores."""
    return ("ZREVRANGE" if newest_first else "ZRANGE", index, first, last, "WITHSCORES")


def _entries(page: Sequence[Any] | None) -> list[Entry]:
    """Return the entries of a reply: pairs in RESP3, one after the other in RESP2."""
    if not page:
        return []
    if isinstance(page[0], list):
        return [(float(score), i) for i, score in page]
    words = iter(page)
    return [(float(score), i) for i, score in zip(words, words, strict=True)]


class _Skip:
    """Finds how many entries of each index stand before a rank of all of them."""

    def __init__(self, client: Client, indexes: Sequence[Index], newest_first: bool) -> None:
        self._client = client
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
        commands = [
            _range(index, rank, rank, self._newest_first)
            for index in self._indexes
            for rank in (0, -1)
        ]
        return [
            self._turned(score)
            for page in read_raw(self._client, commands)
            for score, _ in _entries(page)
        ]

    def _before(self, place: int) -> list[int]:
        """Return how many entries of each index stand before a turned score."""
        score = f"({self._turned(place)}"
        low, high = (score, "+inf") if self._newest_first else ("-inf", score)
        counts = read_raw(self._client, [("ZCOUNT", one, low, high) for one in self._indexes])
        return [int(count or 0) for count in counts]

    def _turned(self, score: float) -> int:
        whole = int(max(-LARGEST, min(score, LARGEST)))
        return -whole if self._newest_first else whole
