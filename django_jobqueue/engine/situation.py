"""Read for people what decides when one job runs, in two round trips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.keys import INDEX_OF
from django_jobqueue.engine.limits import KeyStats, queue_limit, read_key
from django_jobqueue.engine.queue_reader import Pause, read_pause
from django_jobqueue.engine.workers import WorkerStats, read_worker
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import ms_of, raw, text

MOST_WORKERS = 500  # those seen last
MINUTES = 5  # whole ones, before this one, that tell the rate
ENDS = ("succeeded", "failed", "retried")  # the events that end a run and count as an attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A job and what is around it, at one instant. Times in ms."""

    job: Job
    now: int  # by the server
    pause: Pause | None  # of its queue
    before: int | None  # jobs that are claimed before it; None: it is not queued
    key: KeyStats | None  # for which it waits
    running: int  # jobs of its queue
    limit: int  # of them; 0: none
    lease_ends: int | None
    workers: tuple[WorkerStats, ...]  # without the jobs that they run
    busy: dict[str, int]  # by worker: slots that run a job
    ended: int  # runs of its queue that ended since `counted_since`
    counted_since: int


def read_situation(client: Client, job_id: str) -> Situation:
    """Return the situation of a job.

    Raises: JobNotFound, QueueUnavailable.
    """
    keys = client.keys

    def ask_first(pipe: Pipeline) -> None:
        pipe.hgetall(keys("job", job_id))
        pipe.time()
        pipe.zrange(keys("workers"), 0, MOST_WORKERS - 1, desc=True)

    fields, time, ids = client.read(ask_first)
    if fields == {}:
        raise JobNotFound(f"There is no job {job_id}.")
    job = Job.read(job_id, (fields or {}).items())
    now = time[0] * 1000 + time[1] // 1000
    minute, names = now // 60_000, list(map(text, ids or ()))

    def ask_more(pipe: Pipeline) -> None:
        pipe.hget(keys("meta"), raw(f"paused:{job.queue}"))
        pipe.zrank(keys(INDEX_OF[State.QUEUED], job.queue), job_id)
        pipe.zscore(keys(INDEX_OF[State.RUNNING], job.queue), job_id)
        pipe.zscore(keys(INDEX_OF[State.SCHEDULED], job.queue), job_id)
        pipe.zcard(keys(INDEX_OF[State.RUNNING], job.queue))
        pipe.hget(keys("meta"), "limits")
        for number in range(minute - MINUTES, minute + 1):
            pipe.hmget(keys("minute", str(number)), [raw(f"{one}:{job.queue}") for one in ENDS])
        for name in names:
            pipe.hgetall(keys("worker", name))
            pipe.hlen(keys("slots", name))

    pause, rank, lease, due, running, limits, *more = client.read(ask_more)
    counts, rest = more[: MINUTES + 1], more[MINUTES + 1 :]
    job.due_at = ms_of(due) if due is not None else None
    found = [(name, one) for name, one in zip(names, rest[::2], strict=True) if one]
    return Situation(
        job=job,
        now=now,
        pause=read_pause(pause),
        before=rank if job.state is State.QUEUED else None,
        key=read_key(client, job),
        running=running or 0,
        limit=queue_limit(limits, job.queue),
        lease_ends=ms_of(lease) if lease is not None else None,
        workers=tuple(read_worker(name, one, ()) for name, one in found),
        busy={name: slots or 0 for name, slots in zip(names, rest[1::2], strict=True)},
        ended=sum(_sum(one) for one in counts),
        counted_since=(minute - MINUTES) * 60_000,
    )


def _sum(counts: Sequence[Any] | None) -> int:
    return sum(int(one) for one in counts or () if one and one.isdigit())
