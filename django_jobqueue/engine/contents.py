"""Read for people what jobs were called with, and how their latest runs ended."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run, read_runs


class Content(NamedTuple):
    """The large parts of one job."""

    payload: bytes | None  # signed; None: it is lost
    run: Run | None  # the latest one that has ended


def read_contents(client: Client, jobs: Sequence[Job]) -> list[Content]:
    """Return the contents of up to 100 jobs."""

    def ask(pipe: Pipeline) -> None:
        for job in jobs:
            pipe.get(client.keys("payload", job.id))
            pipe.lrange(client.keys("attempts", job.id), -1, -1)

    replies = client.read(ask)
    rows = zip(jobs, replies[::2], replies[1::2], strict=True)
    return [
        Content(payload or job.payload, next(iter(read_runs(records or ())), None))
        for job, payload, records in rows
    ]
