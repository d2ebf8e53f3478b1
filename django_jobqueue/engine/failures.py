"""Read for people what failed jobs failed with, grouped by task and exception."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.run import read_runs
from django_jobqueue.jobs.text import text

WINDOW = 2_000  # the newest failed jobs of a task that are looked at
PAGE = 200  # jobs whose last records one read returns: each may have a traceback of 16 KiB


@dataclass(slots=True)
class FailureGroup:
    """Failed jobs of one task that failed with the same exception. Times in ms."""

    task: str
    exception: str  # path of its class; empty: none, its process was lost for example
    count: int
    first_at: int
    last_at: int
    job_id: str  # of the last one
    traceback: str


def read_failures(client: Client, tasks: Sequence[str]) -> list[FailureGroup]:
    """Return the groups of the newest 2,000 failed jobs of each task, the largest first."""
    groups: dict[tuple[str, str], FailureGroup] = {}
    for task in tasks:
        for job_id, at, exception, traceback in _newest(client, task):
            group = groups.get((task, exception))
            if group is None:
                new = FailureGroup(task, exception, 0, at, at, job_id, traceback)
                group = groups[task, exception] = new
            group.count += 1
            group.first_at = at  # they come newest first
    return sorted(groups.values(), key=lambda one: (-one.count, one.task, one.exception))


def _newest(client: Client, task: str) -> Iterator[tuple[str, int, str, str]]:
    """Yield id, time, exception and traceback of failed jobs, the newest first."""
    for start in range(0, WINDOW, PAGE):
        page = list(_page(client, task, start))
        yield from page
        if len(page) < PAGE:
            return


def _page(client: Client, task: str, start: int) -> Iterator[tuple[str, int, str, str]]:
    key, stop = client.keys("failed-of", task), start + PAGE - 1
    (found,) = client.read(lambda pipe: pipe.zrange(key, start, stop, True, True))
    names = [text(job_id) for job_id, _ in found or ()]
    records = client.read(
        lambda pipe: [pipe.lrange(client.keys("attempts", one), -1, -1) for one in names]
    )
    for name, (_, at), last in zip(names, found or (), records, strict=True):
        (run,) = read_runs(last or ()) or (None,)
        yield name, int(at), run.exception if run else "", run.traceback if run else ""
