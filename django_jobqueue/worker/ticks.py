"""Regular work that a process does in its own main loop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.worker.outage import Outage


@dataclass(slots=True)
class Tick:
    """One action that is repeated at an interval."""

    every: float  # seconds
    run: Callable[[], object]  # returns True if some of its work is left
    due: float = field(default_factory=time.monotonic)

    def run_if_due(self) -> None:
        """Run the action if it is due; the next interval starts now, even if it fails.

        The rest of its work is due at the next round, so that other ticks run in between.
        """
        now = time.monotonic()
        if now >= self.due:
            self.due = now + self.every
            if self.run() is True:
                self.due = now


class RedisTicks:
    """Ticks that call Redis; after a failure all wait, and then the first is due."""

    def __init__(self, ticks: Sequence[Tick], meanwhile: str) -> None:
        """Log `meanwhile` after a failure: it says what happens until Redis answers."""
        self._ticks = ticks
        self.outage = Outage(meanwhile)

    @property
    def due(self) -> float:
        """Return when the next call is due, in monotonic time."""
        return max(min(tick.due for tick in self._ticks), self.outage.retry_at)

    @property
    def is_failing(self) -> bool:
        """Return whether the latest call failed."""
        return self.outage.failures > 0

    def run_due(self) -> None:
        if time.monotonic() < self.outage.retry_at:
            return
        try:
            for tick in self._ticks:
                tick.run_if_due()
        except JobQueueError as error:
            self.note_failure(error)
        else:
            self.outage.note_success()

    def note_failure(self, error: JobQueueError) -> None:
        """Delay all ticks by the pause of the outage; then the first is due."""
        self.outage.note_failure(error)
        self._ticks[0].due = self.outage.retry_at
