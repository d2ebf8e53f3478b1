"""A context for the test of a task's function, which is called directly."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.job import DEFAULT_MAX_ATTEMPTS, Job, new_id
from django_jobqueue.jobs.payload import pure_call, pure_metadata
from django_jobqueue.jobs.result import JobResult, result_of
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import LogLine, Progress
from django_jobqueue.task import Task
from django_jobqueue.testing.run import WORKER, now_ms


def job_context(
    task: Task[..., Any],
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    attempt: int = 1,
    metadata: Mapping[str, Any] | None = None,
    schedule: str = "",
    nominal_time: datetime | None = None,
) -> JobContext:
    """Return the context of a running job, without Redis.

    What the function reports is in its `task_result`: `progress` and `log`.
    """
    now = now_ms()
    positional, named = pure_call(args, kwargs or {})
    job = Job(
        id=new_id(),
        task=task.module_path,
        queue=task.queue_name,
        state=State.RUNNING,
        priority=task.priority,
        max_attempts=task.max_attempts or DEFAULT_MAX_ATTEMPTS,
        attempts=attempt - 1,
        schedule=schedule,
        nominal_at=int(nominal_time.timestamp() * 1000) if nominal_time else None,
        enqueued_at=now,
        started_at=now,
        attempted_at=now,
        worker=WORKER,
        fence="1-0",
        args=positional,
        kwargs=named,
        metadata=pure_metadata({**(task.metadata or {}), **(metadata or {})}),
    )
    result = result_of(job, task)
    return JobContext(task_result=result, fence=job.fence, _report=_Report(result))


class _Report:
    """Keep what a run reports in its result."""

    def __init__(self, result: JobResult[..., Any]) -> None:
        self._result = result

    def progress(self, current: int, total: int, text: str) -> None:
        object.__setattr__(self._result, "progress", Progress(current, total, text))

    def log(self, text: str) -> None:
        lines = (*self._result.log, LogLine(timezone.now(), text))
        object.__setattr__(self._result, "log", lines)
