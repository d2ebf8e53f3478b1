"""Jobs as a caller makes them, with nothing but what a test wants to say."""

from datetime import timedelta
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.jobs.job import Job, new_id


def new_job(
    id: str,
    queue: str = "default",
    task: str = "a.b",
    payload: bytes = b"x",
    *,
    due: int | timedelta | None = None,
    **fields: Any,
) -> Job:
    """Return a job to store; `due` is a time in ms, or a delay."""
    if isinstance(due, timedelta):
        fields["delay"] = due
    elif due is not None:
        fields["due_at"] = due
    return Job(id=id, queue=queue, task=task, payload=payload, **fields)


def fill(engine: Engine, count: int, queue: str = "default", task: str = "a.b") -> list[str]:
    """Store many queued jobs; return their ids, oldest first."""
    jobs = [new_job(new_id(), queue, task, b"-") for _ in range(count)]
    for at in range(0, count, CHUNK):
        engine.jobs.enqueue(jobs[at : at + CHUNK])
    return [job.id for job in jobs]
