"""What a job was called with and has returned, as somebody may see it."""

from contextlib import suppress
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import TaskUnknown
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.payload import load_value
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.jobs.states import State
from django_jobqueue.paths import find


def redactor_of(engine: Engine, path: str) -> Redactor:
    """Return the redactor of a task, whose path must have been verified."""
    task = None
    with suppress(TaskUnknown):
        task = find(path)
    return Redactor(task, engine.options.sensitive)


def read_contents(engine: Engine, job: Job, *, secrets: bool) -> dict[str, Any]:
    """Return arguments, metadata and result of a job that was opened.

    Raises: ValueError, RecursionError if the result is no JSON.
    """
    value = load_value(job.result or b"null") if job.state is State.SUCCEEDED else None
    args, kwargs, metadata = job.args, job.kwargs, job.metadata
    if not secrets:
        redactor = redactor_of(engine, job.task)
        args, kwargs = redactor.call(args, kwargs)
        metadata, value = redactor.value(metadata), redactor.value(value)
    return {"args": args, "kwargs": kwargs, "metadata": metadata, "result": value}
