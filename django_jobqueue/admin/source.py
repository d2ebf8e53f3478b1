"""What one request of the admin reads from the inspectors, and what it could not read.

A page is shown even when Redis is away: the fault is noted, and the read gives what stands
for "nothing".
"""

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.compat import task_backends
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.inspector import Inspector, QueueStats, WorkerStats
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable

T = TypeVar("T")


def aliases() -> list[str]:
    """Return the entries of TASKS that are job queues, "default" first."""
    names = [name for name in task_backends if isinstance(task_backends[name], JobQueueBackend)]
    return sorted(names, key=lambda name: name != "default")


class Source:
    """Read each thing at most once, so that all of a page tells of one instant."""

    def __init__(self) -> None:
        self.aliases = aliases()
        self.faults: dict[str, str] = {}  # by alias, for people
        self._known: dict[Hashable, object] = {}
        if not self.aliases:
            self.faults[""] = _("No entry of TASKS uses the backend of django_jobqueue.")

    def read(self, alias: str, ask: Callable[[Inspector], T], otherwise: T) -> T:
        """Return what an inspector answers; after a fault, `otherwise` without asking again."""
        if alias not in self.aliases or alias in self.faults:
            return otherwise
        try:
            return ask(get_engine(alias).inspector)
        except (JobQueueError, ImproperlyConfigured) as error:
            self.faults[alias] = str(error)
            return otherwise

    def insist(self) -> None:
        """Raise QueueUnavailable if anything could not be read."""
        if self.faults:
            raise QueueUnavailable(" ".join(self.faults.values()))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned at the first call with this key."""
        if key not in self._known:
            self._known[key] = make()
        return cast(T, self._known[key])

    def workers(self, alias: str) -> list[WorkerStats]:
        """Return all workers of an alias."""
        nobody: list[WorkerStats] = []
        return self.read(alias, Inspector.workers, nobody)

    def stats(self, alias: str) -> list[QueueStats]:
        """Return the counts of all queues of an alias."""
        return self.once(
            ("stats", alias), lambda: self.read(alias, lambda seen: seen.queue_stats(), [])
        )
