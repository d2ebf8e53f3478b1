"""Read parts of many jobs for people: some fields, their calls, how their latest runs ended."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.raw_reads import read_raw
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run, read_runs
from django_jobqueue.jobs.states import State


class Content(NamedTuple):
    """The large parts of one job."""

    payload: bytes | None  # signed; None: it is lost, or was not asked for
    run: Run | None  # the latest one that has ended


def read_sketches(client: Client, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Job]:
    """Yield jobs of which only these fields are read; leave out ids that have none of them."""
    replies = read_raw(client, [("HMGET", client.keys("job", i), *fields) for i in ids])
    names = [name.encode() for name in fields]
    for job_id, values in zip(ids, replies, strict=True):
        found = [pair for pair in zip(names, values or (), strict=False) if pair[1] is not None]
        if found or values is None:
            yield Job.read(job_id, found)


def read_contents(
    client: Client, jobs: Sequence[Job], *, with_payloads: bool = True
) -> list[Content]:
    """Return the contents of up to 100 jobs; what their records tell is not read again."""
    long = [with_payloads and job.payload is None for job in jobs]
    failed = list(map(may_have_failed, jobs))
    commands: list[tuple[Argument, ...]] = []
    for job, is_long, has_run in zip(jobs, long, failed, strict=True):
        if is_long:
            commands.append(("GET", client.keys("payload", job.id)))
        if has_run:
            commands.append(("LRANGE", client.keys("attempts", job.id), -1, -1))
    replies = iter(read_raw(client, commands))
    contents = []
    for job, is_long, has_run in zip(jobs, long, failed, strict=True):
        payload = next(replies) if is_long else job.payload
        records = next(replies) if has_run else None
        run = next(iter(read_runs(records)), None) if records else None
        contents.append(Content(payload, run))
    return contents


def may_have_failed(job: Job) -> bool:
    """Return whether the latest run may have a record that tells an exception."""
    return job.state is State.FAILED or bool(job.attempted_at and job.state is not State.SUCCEEDED)
