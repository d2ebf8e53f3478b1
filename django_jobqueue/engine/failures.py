"""Read for people what failed jobs failed with, grouped by task and exception."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.raw_reads import read_raw
from django_jobqueue.jobs.run import read_runs
from django_jobqueue.jobs.text import text

WINDOW = 2_000  # the newest failed jobs of a task that are looked at
MOST = 10_000  # those of all tasks together
PAGE = 500  # jobs whose last records one read returns: each may have a traceback of 16 KiB


@dataclass(slots=True)
class FailureGroup:
    """Failed jobs of one task that failed with the same exception. Times in ms."""

    task: str
    exception: str  # path of its class; empty: none, its process was lost for example
    count: int
    first_at: int
    last_at: int
    job_id: str  # of the last one
    message: str  # what its exception says
    traceback: str


def window_of(tasks: int) -> int:
    """Return how many of the newest failed jobs of each of so many tasks are looked at."""
    return min(WINDOW, MOST // max(1, tasks))


def count_failures(client: Client, tasks: Sequence[str]) -> dict[str, int]:
    """Return how many failed jobs each task has."""
    counts = client.read(lambda pipe: [pipe.zcard(client.keys("failed-of", one)) for one in tasks])
    return {task: count or 0 for task, count in zip(tasks, counts, strict=True)}


def read_failures(client: Client, tasks: Sequence[str]) -> list[FailureGroup]:
    """Return the groups of the newest failed jobs of each task, the largest first; see `window_of`.

    There may be 500 tasks.
    """
    groups: dict[tuple[str, str], FailureGroup] = {}
    for task, job_id, at, record in _newest(client, tasks):
        exception = exception_of(record)
        group = groups.get((task, exception))
        if group is None:
            (run,) = read_runs([record]) or (None,)
            said = (run.message, run.traceback) if run else ("", "")
            group = groups[task, exception] = FailureGroup(
                task, exception, 0, at, at, job_id, *said
            )
        group.count += 1
        group.first_at = at  # they come newest first
    return sorted(groups.values(), key=lambda one: (-one.count, one.task, one.exception))


def exception_of(record: bytes) -> str:
    """Return the path of the exception that the record of a run names; empty: it names none."""
    words = record.partition(b"\n")[0].split(b" ", 6)
    name = text(words[6].partition(b" ")[0]) if len(words) > 6 else "-"
    return "" if name == "-" else name


def _newest(client: Client, tasks: Sequence[str]) -> Iterator[tuple[str, str, int, bytes]]:
    """Yield task, id, time and last record of failed jobs, those of each task newest first."""
    last = window_of(len(tasks)) - 1
    keys = [client.keys("failed-of", task) for task in tasks]
    pages = client.read(lambda pipe: [pipe.zrange(key, 0, last, True, True) for key in keys])
    found = [
        (task, text(job_id), int(at))
        for task, page in zip(tasks, pages, strict=True)
        for job_id, at in page or ()
    ]
    for start in range(0, len(found), PAGE):
        page = found[start : start + PAGE]
        records = last_records(client, [job_id for _, job_id, _ in page])
        for (task, job_id, at), record in zip(page, records, strict=True):
            yield task, job_id, at, record


def last_records(client: Client, ids: Sequence[str]) -> list[bytes]:
    """Return the record of the latest run of each job; empty: there is none."""
    found = read_raw(client, [("LRANGE", client.keys("attempts", one), -1, -1) for one in ids])
    return [one[0] if one else b"" for one in found]
