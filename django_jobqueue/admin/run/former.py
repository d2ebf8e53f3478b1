"""What an earlier job was called with, as far as a user may see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import BadSignature, JobNotFound
from django_jobqueue.jobs.job import Job, is_id
from django_jobqueue.jobs.signature import signature_of
from django_jobqueue.steering.call import redactor_of


@dataclass(frozen=True, slots=True)
class Former:
    """The arguments of a job by name. Of the hidden ones the user sees that they are there."""

    old: Mapping[str, Any] = field(default_factory=dict)
    hidden: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def find(cls, task: Any, job_id: str, viewer: Viewer) -> Self:
        """Return what a job of the task was called with; nothing if it can't be shown."""
        if not is_id(job_id) or not viewer.may("view_payload"):
            return cls()
        engine = get_engine(task.backend)
        try:
            return cls.of(engine, task, engine.inspector.job(job_id), viewer)
        except (JobNotFound, BadSignature, ValueError, TypeError, RecursionError):
            return cls()

    @classmethod
    def of(cls, engine: Engine, task: Any, job: Job, viewer: Viewer) -> Self:
        """Return what a job was called with.

        Raises: BadSignature; ValueError, RecursionError if its arguments can't be read; TypeError
        if they don't fit the function any more.
        """
        if job.task != task.module_path:
            raise ValueError(f"The job {job.id} is one of another task.")
        job.open(engine.signer)
        taken = signature_of(task.func, task.takes_context)
        old = dict(taken.bind(*job.args, **job.kwargs).arguments)
        if viewer.may("view_sensitive"):
            hidden = {}
        else:
            args, kwargs = redactor_of(engine, job.task).call(job.args, job.kwargs)
            seen = taken.bind(*args, **kwargs).arguments
            hidden = {name: value for name, value in old.items() if seen[name] != value}
        return cls({name: _plain(value) for name, value in old.items()}, hidden)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
