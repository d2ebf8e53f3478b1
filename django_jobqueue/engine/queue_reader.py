"""Read queues for people: names, stats and counters, of 200 queues at most in one call.

There may be any number of queues, so nothing here reads all their names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.keys import INDEX_OF
from django_jobqueue.engine.raw_reads import read_raw
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import ms_in, raw, text

MOST_QUEUES = 200  # queues that are looked at together


class Pause(NamedTuple):
    """Since when a queue is paused (ms), and who paused it; "": nobody said so."""

    since: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """A queue, as it was when it was read."""

    name: str
    pause: Pause | None  # None: it is not paused
    counts: dict[State, int]
    oldest_at: int | None  # ms; when the job that is claimed next was enqueued

    @property
    def paused(self) -> bool:
        return self.pause is not None


@dataclass(frozen=True, slots=True)
class Sums:
    """The jobs of more than 200 queues, as the maintenance has summed them last."""

    at: int  # ms
    counts: dict[State, int]


class QueueReader:
    """Read the queues of one alias for people."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._keys = client.keys
        self._read = client.read

    def queues(self, start: int = 0, stop: int = MOST_QUEUES, *, prefix: str = "") -> list[str]:
        """Return names of queues that hold a job or are paused, by name, "default" first.

        They are those from rank `start` to before `stop` of the names that begin with `prefix`.
        """
        key, low, high = self._keys("names"), *_range(prefix)
        if stop <= start:
            return []
        names = self._read(lambda pipe: pipe.zrangebylex(key, low, high, start, stop - start))[0]
        return _default_first(map(text, names or ()))

    def count_queues(self, prefix: str = "") -> int:
        """Return how many queues hold a job or are paused and have a name that begins so."""
        key, low, high = self._keys("names"), *_range(prefix)
        return int(self._read(lambda pipe: pipe.zlexcount(key, low, high))[0] or 0)

    def known_queues(self, names: Sequence[str]) -> list[str]:
        """Return those of the given queues that hold a job or are paused."""
        key = self._keys("names")
        scores = self._read(lambda pipe: [pipe.zscore(key, raw(name)) for name in names])
        return [name for name, score in zip(names, scores, strict=True) if score is not None]

    def busy_queues(self) -> list[str]:
        """Return up to 200 queues: all, or those with jobs to claim and then the first by name."""
        names, work = self._keys("names"), self._keys("work")

        def ask(pipe: Pipeline) -> None:
            pipe.zrange(names, 0, MOST_QUEUES)
            pipe.zrange(work, 0, MOST_QUEUES - 1)

        first, busy = self._read(ask)
        found = list(first or ())
        if len(found) > MOST_QUEUES:
            found = list(dict.fromkeys([*(busy or ()), *found]))[:MOST_QUEUES]
        return _default_first(map(text, found))

    def queue_stats(self, names: Sequence[str] | None = None) -> list[QueueStats]:
        """Return the stats of the given queues, or of the first 200."""
        names = self.queues() if names is None else names
        counts = self.queue_counts(names)
        reads: list[tuple[Argument, ...]] = []
        for name in names:
            reads.append(("HGET", self._keys("meta"), raw(f"paused:{name}")))
            reads.append(("ZRANGE", self._index(State.QUEUED, name), 0, 0))
        replies = read_raw(self._client, reads)
        rows = zip(names, replies[::2], self._enqueued_at(replies[1::2]), strict=True)
        return [
            QueueStats(name=name, pause=read_pause(pause), counts=counts[name], oldest_at=at)
            for name, pause, at in rows
        ]

    def queue_counts(self, names: Sequence[str]) -> dict[str, dict[State, int]]:
        """Return how many jobs each of the given queues has, by state."""
        commands = [("ZCARD", self._index(state, name)) for name in names for state in State]
        replies = iter(read_raw(self._client, commands))
        return {name: {state: next(replies) or 0 for state in State} for name in names}

    def sums(self) -> Sums | None:
        """Return the latest sums; None before the first, and while there are at most 200 queues."""
        found = self._read(lambda pipe: pipe.hgetall(self._keys("sums")))[0] or {}
        if b"at" not in found:
            return None
        counts = {state: ms_in(found, INDEX_OF[state].encode()) for state in State}
        return Sums(ms_in(found, b"at"), counts)

    def count(self, state: State, queues: Sequence[str] | None = None) -> int:
        """Return how many jobs are in a state, in the given queues or all.

        Of more than 200 queues it is what the maintenance summed last: see `sums`.
        """
        if queues is None and self.count_queues() > MOST_QUEUES:
            sums = self.sums()
            return sums.counts[state] if sums else 0
        names = self.queues() if queues is None else queues
        counts = self._read(lambda pipe: [pipe.zcard(self._index(state, name)) for name in names])
        return sum(filter(None, counts))

    def totals(self) -> dict[str, int]:
        """Return the counts of rare events: stale, damaged, untold and the like."""
        reply = self._read(lambda pipe: pipe.hgetall(self._keys("totals")))[0]
        return {text(name): ms_in(reply, name) for name in reply or ()}

    def minute(self, number: int) -> dict[tuple[str, str], int]:
        """Return the counts of one minute by (event, queue); `number` is in minutes since 1970."""
        return self._counts("minute", number)

    def hour(self, number: int) -> dict[tuple[str, str], int]:
        """Return the counts of one hour, but for its last minute; `number` is in hours."""
        return self._counts("hour", number)

    def _index(self, state: State, queue: str) -> str | bytes:
        return self._keys(INDEX_OF[state], queue)

    def _counts(self, kind: str, number: int) -> dict[tuple[str, str], int]:
        reply = self._read(lambda pipe: pipe.hgetall(self._keys(kind, str(number))))[0]
        rows = ((text(name).partition(":"), ms_in(reply, name)) for name in reply or ())
        return {(event, queue): count for (event, _, queue), count in rows}

    def _enqueued_at(self, heads: Sequence[Sequence[bytes]]) -> list[int | None]:
        """Return when the first job of each list of ids was enqueued, in ms."""
        first = [text(ids[0]) if ids else "-" for ids in heads]
        commands = [("HGET", self._keys("job", name), "enqueued_at") for name in first]
        replies = read_raw(self._client, commands)
        return [ms_in({b"at": at}, b"at") or None for at in replies]


def read_pause(stored: bytes | None) -> Pause | None:
    """Read what lua/jobs/pause.lua wrote about a queue."""
    if stored is None:
        return None
    at, _, by = stored.partition(b" ")
    return Pause(ms_in({b"at": at}, b"at"), text(by))


def _range(prefix: str) -> tuple[bytes, bytes]:
    """Return the bounds of the names that begin so; no name has a byte above 0x7f."""
    if not prefix:
        return b"-", b"+"
    start = raw(prefix)
    low = b"[" + (start.encode() if isinstance(start, str) else start)
    return low, low + b"\xff"


def _default_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != "default", name))
