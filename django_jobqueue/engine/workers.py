"""Read the workers of one alias for people."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.client import Pipeline

from django_jobqueue.engine.claims import ALL_QUEUES
from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import ms_in, text

MISSED_RENEWALS = 2.5  # so many, of three per lease, mean that a worker is not seen


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStats:
    """A worker as it described itself at its last renewal. Times in ms."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    weights: tuple[str, ...]  # of the queues; none: they are served in their order
    processes: int
    threads: int
    version: str
    started_at: int
    seen_at: int
    stopping: bool
    quiet: bool  # it claims no more, and stays
    fault: str  # the problem that the worker reports; empty: none
    memory: int  # bytes of its processes
    jobs: int  # that it has run
    runs: tuple[tuple[str, str], ...]  # slot and job id; without those that were recovered since

    @property
    def running(self) -> list[str]:
        """Return the ids of the jobs that it runs, by slot."""
        return [job_id for _slot, job_id in self.runs]

    @property
    def slots(self) -> int:
        return self.processes * self.threads

    @property
    def served(self) -> list[str]:
        """Return its queues as `jobworker --queues` takes them; none: all."""
        return named(self.queues, self.weights)

    def is_unseen(self, now: int, lease_ms: int) -> bool:
        """Return whether the worker has missed its renewals: it is gone, or cut off."""
        return now - self.seen_at > MISSED_RENEWALS * lease_ms / 3

    def is_live(self, now: int, lease_ms: int) -> bool:
        """Return whether the worker is seen, and claims jobs."""
        return not (self.stopping or self.quiet or self.is_unseen(now, lease_ms))

    def serves(self, queue: str) -> bool:
        return not self.queues or queue in self.queues or ALL_QUEUES in self.queues


def named(queues: Sequence[str], weights: Sequence[object]) -> list[str]:
    """Return queues with their weights, if they have some."""
    if len(weights) != len(queues):
        return list(queues)
    return [f"{name}:{weight}" for name, weight in zip(queues, weights, strict=True)]


class WorkerReader:
    """Read the workers of one alias."""

    def __init__(self, client: Client) -> None:
        self._keys = client.keys
        self._read = client.read

    def all(self) -> list[WorkerStats]:
        """Return all workers that have a record."""
        ids = self._read(lambda pipe: pipe.zrange(self._keys("workers"), 0, -1))[0]
        names = list(map(text, ids or ()))

        def ask(pipe: Pipeline) -> None:
            for name in names:
                pipe.hgetall(self._keys("worker", name))
                pipe.hgetall(self._keys("slots", name))

        replies = self._read(ask)
        rows = zip(names, replies[::2], replies[1::2], strict=True)
        found = [(name, fields, _claims(slots or {})) for name, fields, slots in rows if fields]
        current = self._current([claim for *_, claims in found for claim in claims.values()])
        return [read_worker(name, fields, _runs(claims, current)) for name, fields, claims in found]

    def _current(self, claims: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the claims, of job id and fence, whose run goes on.

        The notes of a worker that was killed stay, though its jobs were recovered long ago.
        """

        def ask(pipe: Pipeline) -> None:
            for job_id, _ in claims:
                pipe.hmget(self._keys("job", job_id), ["state", "fence"])

        rows = zip(claims, self._read(ask), strict=True)
        running = State.RUNNING.encode()
        return {claim for claim, reply in rows if reply == [running, claim[1].encode()]}


def _claims(slots: dict[bytes, bytes]) -> dict[str, tuple[str, str]]:
    """Return job id and fence of the claims that a worker's slots have noted, by slot."""
    # nonce, queue, job id and fence: see slot_entry in lua/shared/claiming.lua
    notes = {text(slot): text(slots[slot]).split(" ") for slot in sorted(slots)}
    return {slot: (words[2], words[3]) for slot, words in notes.items() if len(words) > 3}


def _runs(
    claims: dict[str, tuple[str, str]], current: set[tuple[str, str]]
) -> list[tuple[str, str]]:
    return [(slot, claim[0]) for slot, claim in claims.items() if claim in current]


def read_worker(
    name: str, fields: dict[bytes, bytes], runs: Sequence[tuple[str, str]]
) -> WorkerStats:
    """Return the worker of a record, with slots and ids of the jobs that it runs."""

    def word(field: bytes) -> str:
        return text(fields.get(field, b""))

    return WorkerStats(
        id=name,
        host=word(b"host"),
        pid=ms_in(fields, b"pid"),
        queues=tuple(word(b"queues").split()),
        weights=tuple(word(b"weights").split()),
        processes=ms_in(fields, b"processes", 1),
        threads=ms_in(fields, b"threads", 1),
        version=word(b"version"),
        started_at=ms_in(fields, b"started_at"),
        seen_at=ms_in(fields, b"seen_at"),
        stopping=word(b"stopping") == "1",
        quiet=word(b"quiet") == "1",
        fault=word(b"fault"),
        memory=ms_in(fields, b"memory"),
        jobs=ms_in(fields, b"jobs"),
        runs=tuple(runs),
    )
