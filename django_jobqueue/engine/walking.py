"""Walk through an index of any length, while others, and who walks, take jobs out of it.

Ranks change whenever a job leaves, so each page begins behind what the last one has left there.
"""

from collections.abc import Iterator, Sequence

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.text import raw, text

PAGE = 500  # ids that one read returns


def walk(client: Client, key: str | bytes) -> Iterator[list[str]]:
    """Yield the ids of a sorted set in pages, the lowest score first.

    Each id that is there from the beginning to the end is yielded, some perhaps twice. What comes
    meanwhile may be left out.
    """
    start = 0
    stayed: list[str] = []  # ids of the latest page of which any is still there
    while True:
        ids = _ids(client, key, start)
        if not ids:
            return
        yield ids
        ranks = _ranks(client, key, [*stayed, *ids])
        last = max((rank for rank in ranks if rank is not None), default=-1)
        if any(rank is not None for rank in ranks[len(stayed) :]):
            stayed = ids
        start = last + 1


def whole(client: Client, key: str | bytes) -> list[str]:
    """Return the ids of an index that has few, and whose scores change all the time."""
    (ids,) = client.read(lambda pipe: pipe.zrange(key, 0, -1))
    return list(map(text, ids or ()))


def _ids(client: Client, key: str | bytes, start: int) -> list[str]:
    (ids,) = client.read(lambda pipe: pipe.zrange(key, start, start + PAGE - 1))
    return list(map(text, ids or ()))


def _ranks(client: Client, key: str | bytes, ids: Sequence[str]) -> list[int | None]:
    def ask(pipe: Pipeline) -> None:
        for job_id in ids:
            pipe.zrank(key, raw(job_id))

    return client.read(ask)
