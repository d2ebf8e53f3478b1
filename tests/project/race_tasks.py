"""Tasks that end at about the moment when they are told to."""

import asyncio
import contextlib
import time

from django.contrib.auth import get_user_model

from django_jobqueue import JobContext, task
from django_jobqueue.exceptions import JobInterrupt
from tests.project.tasks import note


def query() -> int:
    """Ask the database, so that an interrupt may come in the middle of that too."""
    return get_user_model().objects.count()


def work(context: JobContext, path: str, seconds: float) -> str:
    """Note the start, be busy in Python, in a call and in the database, note the end."""
    job_id = context.task_result.id
    note(path, f"start {job_id} {context.fence}")
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(0.01, max(0.0, end - time.monotonic())))
            query()
    except JobInterrupt as interrupt:
        note(path, f"{type(interrupt).__name__} {job_id} {context.fence}")
        raise
    note(path, f"end {job_id} {context.fence}")
    return job_id


race = task(takes_context=True, kill_grace=1.0)(work)


@task(takes_context=True, timeout=0.5, kill_grace=1.0)
def race_the_clock(context: JobContext, path: str, seconds: float) -> str:
    return work(context, path, seconds)


@task(takes_context=True, timeout=0.5, kill_grace=0.2)
def race_deaf(context: JobContext, path: str, seconds: float) -> str:
    """Hear nothing, and end about when the kill comes."""
    job_id = context.task_result.id
    note(path, f"start {job_id} {context.fence}")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(JobInterrupt):
            time.sleep(max(0.0, end - time.monotonic()))
    note(path, f"end {job_id} {context.fence}")
    return job_id


@task(takes_context=True, timeout=0.5, kill_grace=1.0)
async def race_await(context: JobContext, path: str, seconds: float) -> str:
    job_id = context.task_result.id
    note(path, f"start {job_id} {context.fence}")
    try:
        await asyncio.sleep(seconds)
        await get_user_model().objects.acount()
    except asyncio.CancelledError:
        note(path, f"CancelledError {job_id} {context.fence}")
        raise
    note(path, f"end {job_id} {context.fence}")
    return job_id


@task(takes_context=True)
def bystander(context: JobContext, path: str) -> str:
    """Be the next job, with nothing wrong about it."""
    note(path, f"start {context.task_result.id} {context.fence}")
    query()
    note(path, f"end {context.task_result.id} {context.fence}")
    return context.task_result.id
