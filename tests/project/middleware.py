"""Middleware of the tests: each notes what it sees, and some break."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.job import Job

seen: list[str] = []
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


class Outer:
    """Give each job the tenant of its caller, and its run the tenant of its job."""

    def enqueue(self, job: Job) -> None:
        seen.append("outer")
        job.metadata["tenant"] = tenant.get()

    @contextmanager
    def run(self, context: JobContext) -> Iterator[None]:
        seen.append("outer in")
        token = tenant.set(context.metadata.get("tenant", ""))
        try:
            yield
        except BaseException as error:
            seen.append(f"outer {type(error).__name__}")
            raise
        finally:
            tenant.reset(token)
            seen.append("outer out")


class Inner:
    """Note each job and each run."""

    def enqueue(self, job: Job) -> None:
        seen.append(f"inner {job.args} {sorted(job.metadata)}")

    @contextmanager
    def run(self, context: JobContext) -> Iterator[None]:
        seen.append("inner in")
        yield
        seen.append("inner out")


class Refuses:
    def enqueue(self, job: Job) -> None:
        raise PermissionError(f"{job.task} is not for everybody")


class Unstorable:
    def enqueue(self, job: Job) -> None:
        job.metadata["at"] = object()


class BreaksBefore:
    def run(self, context: JobContext) -> AbstractContextManager[None]:
        raise LookupError("no such tenant")


class BreaksAfter:
    @contextmanager
    def run(self, context: JobContext) -> Iterator[None]:
        yield
        raise LookupError("the metrics are away")


class Swallows:
    @contextmanager
    def run(self, context: JobContext) -> Iterator[None]:
        try:
            yield
        except ValueError:
            seen.append("swallowed")


class Empty:
    """Neither method: a mistake."""


class Tags:
    """Change what lies deep in the metadata."""

    def enqueue(self, job: Job) -> None:
        job.metadata["tags"].append(len(job.metadata["tags"]))


class NeedsArguments:
    def __init__(self, what: str) -> None: ...

    def enqueue(self, job: Job) -> None: ...


class Awaited:
    async def enqueue(self, job: Job) -> None: ...


class Yields:
    async def run(self, context: JobContext) -> Any:
        yield
