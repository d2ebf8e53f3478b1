"""Read cached values, and store the one job that refreshes a value.

lua/jobs/finish.lua stores the values.
"""

from contextlib import suppress
from typing import NamedTuple

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.jobs import new_job_words
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.text import ms, text


class CachedResult(NamedTuple):
    """The cached value of a digest. Times in ms, by the server."""

    now: int
    value: bytes | None = None  # JSON; None: there is none
    at: int = 0  # when its run ended; 0: there is none
    refresh: str = ""  # id of the job stored last to refresh it; empty: none
    is_refreshing: bool = False  # that job is not final


class CachedResults:
    """Read and refresh the cached values of one alias."""

    def __init__(self, client: Client) -> None:
        self._run = client.run

    def latest(self, digest: str) -> CachedResult:
        """Return the cached value of a digest, and the server's time.

        Raises: QueueUnavailable.
        """
        now, value, at, refresh, is_refreshing = self._run("get_cached", digest=digest)
        stored_at = 0
        with suppress(ValueError):  # a damaged time counts as missing, and so does its value
            stored_at = ms(at or b"")
        return CachedResult(
            now=int(now),
            value=value if stored_at else None,
            at=stored_at,
            refresh=text(refresh),
            is_refreshing=bool(is_refreshing),
        )

    def refresh(self, digest: str, job: Job, *, seen: str, keep: int) -> int | None:
        """Store a job that refreshes a value; return when, in ms, or None if another one does.

        `seen` is the `refresh` that `latest` returned; `keep` is in seconds, 0 for ever.
        Raises: QueueUnavailable.
        """
        reply = self._run("refresh_cached", new_job_words(job), digest=digest, seen=seen, keep=keep)
        return int(reply) if reply else None
