"""How long the jobs of each task wait and run, and how many have failed."""

from dataclasses import dataclass
from statistics import quantiles
from typing import NamedTuple

from django_jobqueue.engine import Engine
from django_jobqueue.engine.endings import read_endings
from django_jobqueue.engine.failures import count_failures
from django_jobqueue.jobs.job import Job
from django_jobqueue.paths import registered

WINDOW = 2_000  # the jobs of all tasks that ended last


class Times(NamedTuple):
    """The median and the 95th percentile, in seconds; None: nothing is known."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """One task: its runs among the jobs that ended last, and all its failed jobs."""

    task: str
    queue: str  # of its definition; empty: this code has no such task
    runs: int
    wait: Times
    run: Times
    failed: int


class TaskTable(NamedTuple):
    """All tasks of the code, and those of jobs that ended last or have failed."""

    rows: list[TaskFigures]
    seen: int  # jobs that ended last


def read_task_figures(engine: Engine) -> TaskTable:
    """Return the figures of an alias: first the tasks whose jobs have ended, by their paths.

    Raises: QueueUnavailable.
    """
    inspector, known = engine.inspector, registered()
    ended = read_endings(engine.client, inspector.busy_queues(), WINDOW)
    of_task: dict[str, list[Job]] = {}
    for job in ended:
        of_task.setdefault(job.task, []).append(job)
    paths = sorted({*known, *of_task, *inspector.failed_tasks()})
    failed = count_failures(engine.client, paths)
    rows = [
        _figures(path, getattr(known.get(path), "queue_name", ""), of_task.get(path, []), failed)
        for path in paths
    ]
    return TaskTable(sorted(rows, key=lambda one: not (one.runs or one.failed)), len(ended))


def _figures(task: str, queue: str, jobs: list[Job], failed: dict[str, int]) -> TaskFigures:
    ran = [job for job in jobs if job.attempted_at and job.finished_at]
    return TaskFigures(
        task=task,
        queue=queue,
        runs=len(ran),
        wait=_times([(job.started_at or job.attempted_at) - job.enqueued_at for job in ran]),
        run=_times([(job.finished_at or 0) - job.attempted_at for job in ran]),
        failed=failed[task],
    )


def _times(spans: list[int]) -> Times:
    seconds = [max(0, ms) / 1000 for ms in spans]
    if len(seconds) < 2:
        return Times(seconds[0], seconds[0]) if seconds else Times()
    found = quantiles(seconds, n=20, method="inclusive")
    return Times(found[9], found[18])
