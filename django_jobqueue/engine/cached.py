"""The writer of latest values: read what is kept, and store the one job that refreshes it.

lua/finish.lua keeps them.
"""

from typing import NamedTuple

from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.jobs import NewJob


class Kept(NamedTuple):
    """What stands under a digest. Times in ms, by the server."""

    now: int
    value: bytes | None = None  # JSON; None: there is none
    at: int = 0  # when its run ended; 0: there is none
    refresh: str = ""  # id of the job that was stored last to refresh it
    is_refreshing: bool = False  # that job is not final


class Values:
    """Write the latest values of one alias."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call

    def latest(self, digest: str) -> Kept:
        """Return the latest value, and the server's time.

        Raises: QueueUnavailable.
        """
        now, value, at, refresh, is_refreshing = self._call("latest", digest=digest)
        number = int(at) if at and at.isdigit() else 0
        return Kept(
            now=int(now),
            value=value if number else None,
            at=number,
            refresh=refresh.decode(errors="replace"),
            is_refreshing=bool(is_refreshing),
        )

    def refresh(self, digest: str, job: NewJob, *, seen: str, keep: int) -> int | None:
        """Store a job that refreshes a value; return when, in ms, or None if another one does.

        `seen` is the last refresh as `latest` told it; `keep` is in seconds, 0 for ever.
        Raises: QueueUnavailable.
        """
        reply = self._call("refresh", job.arguments(), digest=digest, seen=seen, keep=keep)
        return int(reply) if reply else None
