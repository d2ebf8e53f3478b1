"""Cancel, count and list the jobs of a tag."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.text import text

PAGE = 100  # jobs per call at most: a running script blocks the whole server


class Cancelled(NamedTuple):
    """The effect of a cancellation of many jobs."""

    cancelled: int = 0  # jobs that will not run
    told: int = 0  # running jobs that were told to end


class Tags:
    """Write the jobs of a tag of one alias."""

    def __init__(self, client: Client) -> None:
        self._run = client.run

    def cancel(self, tag: str, reason: str = "cancelled") -> Cancelled:
        """Cancel the jobs of a tag that were stored before this call.

        Raises: QueueUnavailable.
        """
        before: int | str = ""
        cancelled = told = 0
        while before == "" or int(before) > 0:
            given = {"tag": tag, "before": before, "limit": PAGE, "reason": reason}
            before, more, running = map(int, self._run("cancel_tagged", **given))
            cancelled, told = cancelled + more, told + running
        return Cancelled(cancelled, told)


class TagReader:
    """Read the tags of one alias for people."""

    def __init__(self, client: Client, jobs: Callable[[Iterable[str]], list[Job]]) -> None:
        """Read the records of the jobs by `jobs`."""
        self._keys = client.keys
        self._read = client.read
        self._jobs = jobs

    def count(self, tag: str) -> int:
        """Return how many jobs have a tag, in whatever state."""
        return int(self._read(lambda pipe: pipe.zcard(self._keys("tag", tag)))[0] or 0)

    def page(self, tag: str, start: int, stop: int, *, newest_first: bool = True) -> list[Job]:
        """Return the jobs of a tag, in whatever state, as `Inspector.page` does."""
        return self._jobs(self.ids(tag, start, stop, newest_first=newest_first))

    def ids(self, tag: str, start: int, stop: int, *, newest_first: bool = True) -> list[str]:
        """Return the ids of a tag's jobs from rank `start` to before `stop`, by when stored."""
        if stop <= start:
            return []
        key = self._keys("tag", tag)
        ids = self._read(lambda pipe: pipe.zrange(key, start, stop - 1, desc=newest_first))[0]
        return list(map(text, ids or ()))
