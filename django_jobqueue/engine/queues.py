"""The writer of whole queues: pause and resume, and what time brings about."""

from collections.abc import Sequence

from django_jobqueue.engine.client import Connection
from django_jobqueue.jobs.job import FINAL

LIMIT = 500  # most jobs of one maintenance call
# The same of one that promotes: many may be due at one instant, and all wait while a script runs.
PROMOTED = 100


class Queues:
    """Write the queues of one alias."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call

    def names(self) -> list[str]:
        """Return the names of all queues ever used, "default" first."""
        found = self._call("queues")
        # What is no text was not written by a client: it must not end a worker.
        names = {name.decode(errors="replace") for name in found} | {"default"}
        return sorted(names, key=lambda name: (name != "default", name))

    def pause(self, queue: str) -> bool:
        """Stop claims from a queue; tell whether that is news."""
        return bool(self._call("pause", queue=queue))

    def resume(self, queue: str) -> bool:
        """Allow claims from a queue again; tell whether that is news."""
        return bool(self._call("resume", queue=queue))

    def promote(self, queues: Sequence[str], limit: int = PROMOTED) -> int:
        """Make due jobs claimable; return how many, at most `limit`: then call again."""
        return int(self._call("promote", queues, limit=limit))

    def reap(
        self, queues: Sequence[str], *, interval_ms: int, grace_ms: int, limit: int = LIMIT
    ) -> dict[str, str]:
        """Take back jobs whose lease ended; return their ids and states now."""
        reply = self._call(
            "reap",
            queues,
            limit=limit,
            interval=interval_ms,
            grace=grace_ms,
            lease=self._connection.options.lease_ms,
        )
        words = [word.decode() for word in reply]
        return dict(zip(words[::2], words[1::2], strict=True))

    def trim(self, queue: str, limit: int = LIMIT) -> int:
        """Remove final jobs past their retention; return how many, at most `limit` per state."""
        options = self._connection.options
        return sum(
            int(
                self._call(
                    "trim",
                    queue=queue,
                    state=state,
                    keep=int(options.retention[state] * 1000),
                    most=options.retention_count,
                    limit=limit,
                )
            )
            for state in sorted(FINAL)
        )
