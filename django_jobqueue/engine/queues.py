"""Write whole queues: pause, resume, and maintain them (promote, reap, trim)."""

import logging
import time
from collections.abc import Sequence

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.states import FINAL
from django_jobqueue.jobs.text import one_line, text

logger = logging.getLogger("django_jobqueue")

LIMIT = 500  # jobs per maintenance call at most
# Jobs per promotion at most: many may be due at one instant, and a script blocks the server.
PROMOTED = 100


class Queues:
    """Write the queues of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run
        self._silent_until: dict[tuple[str, str], float] = {}  # monotonic, by queue and state

    def names(self) -> list[str]:
        """Return the names of all queues ever used, "default" first."""
        found = self._run("queues")
        names = {text(name) for name in found} | {"default"}
        return sorted(names, key=lambda name: (name != "default", name))

    def pause(self, queue: str) -> bool:
        """Stop claims from a queue; return whether it was not paused before."""
        return bool(self._run("pause", queue=queue))

    def resume(self, queue: str) -> bool:
        """Allow claims from a queue again; return whether it was paused."""
        return bool(self._run("resume", queue=queue))

    def promote(self, queues: Sequence[str], limit: int = PROMOTED) -> int:
        """Make at most `limit` due jobs claimable; return how many (if `limit`, call again)."""
        return int(self._run("promote", queues, limit=limit))

    def reap(
        self, queues: Sequence[str], *, interval_ms: int, grace_ms: int, limit: int = LIMIT
    ) -> dict[str, str]:
        """Take back jobs whose lease ended; return their states now by id."""
        reply = self._run(
            "reap",
            queues,
            limit=limit,
            interval=interval_ms,
            grace=grace_ms,
            lease=self._client.options.lease_ms,
        )
        words = [text(word) for word in reply]
        return dict(zip(words[::2], words[1::2], strict=True))

    def trim(self, queue: str, limit: int = LIMIT) -> int:
        """Remove final jobs past their retention; return how many, at most `limit` per state.

        The bound on their number may remove some before their time: this is counted and logged.
        """
        options, removed = self._client.options, 0
        for state in sorted(FINAL):
            trimmed, early = self._run(
                "trim",
                queue=queue,
                state=state,
                keep=int(options.retention[state] * 1000),
                most=options.retention_count[state],
                limit=limit,
            )
            removed += trimmed
            if early:
                self._note_early(queue, state, early)
        return removed

    def _note_early(self, queue: str, state: str, early: int) -> None:
        """Log once an hour per queue and state that jobs were removed before their time."""
        now = time.monotonic()
        if now < self._silent_until.get((queue, state), 0.0):
            return
        self._silent_until[queue, state] = now + 3600
        logger.warning(
            "%d %s jobs of the queue %s were removed before their RETENTION, because more than "
            "%d were kept (RETENTION_COUNT). The admin counts them all.",
            early,
            state,
            one_line(queue),
            self._client.options.retention_count[state],
        )
