"""Read for people the jobs that ended last, however many queues there are."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.keys import INDEX_OF
from django_jobqueue.engine.raw_reads import read_raw
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import text

PAGE = 500  # jobs that one read returns
TIMES = (b"enqueued_at", b"started_at", b"attempted_at", b"finished_at", b"took")
FIELDS = (b"state", b"task", *TIMES)
RUN = (State.SUCCEEDED, State.FAILED)  # the states of jobs whose runs have ended


def read_endings(client: Client, queues: Sequence[str], limit: int) -> list[Job]:
    """Return the jobs whose runs ended last, with their times only, the latest first."""
    indexes = [client.keys(INDEX_OF[state], queue) for queue in queues for state in RUN]
    ids = list(islice(_newest(client, indexes, limit), limit))
    found: list[Job] = []
    for start in range(0, len(ids), PAGE):
        found += _jobs(client, ids[start : start + PAGE])
    return found


def _newest(client: Client, indexes: Sequence[str | bytes], limit: int) -> Iterator[str]:
    """Yield the ids of several indexes, merged; further pages are read only as they are needed."""
    size = max(20, min(PAGE, 4 * limit // max(1, len(indexes))))
    pages = client.read(lambda pipe: [pipe.zrange(key, 0, size - 1, True, True) for key in indexes])
    streams = [
        _stream(client, key, page or (), size) for key, page in zip(indexes, pages, strict=True)
    ]
    for job_id, _ in heapq.merge(*streams, key=lambda one: -float(one[1])):
        yield text(job_id)


def _stream(
    client: Client, key: str | bytes, page: Sequence[Any], size: int
) -> Iterator[tuple[bytes, Any]]:
    start = 0
    while True:
        yield from page
        if len(page) < size:
            return
        start, size = start + size, PAGE
        page = _page(client, key, start)


def _page(client: Client, key: str | bytes, start: int) -> Sequence[Any]:
    stop = start + PAGE - 1
    (found,) = client.read(lambda pipe: pipe.zrange(key, start, stop, True, True))
    return found or ()


def _jobs(client: Client, ids: Sequence[str]) -> Iterator[Job]:
    replies = read_raw(client, [("HMGET", client.keys("job", job_id), *FIELDS) for job_id in ids])
    for job_id, values in zip(ids, replies, strict=True):
        pairs = zip(FIELDS, values or (), strict=False)
        yield Job.read(job_id, [(name, value) for name, value in pairs if value is not None])
