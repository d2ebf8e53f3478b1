"""The reads of one admin request through the inspectors, and their faults.

Pages are shown even if Redis is unavailable: the fault is stored, and the read returns an
empty value.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.compat import task_backends
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.engine.queue_reader import Sums
from django_jobqueue.engine.workers import WorkerStats
from django_jobqueue.exceptions import JobQueueError, QueueUnavailable
from django_jobqueue.jobs.states import State
from django_jobqueue.paths import registered

T = TypeVar("T")
Counts = dict[str, dict[State, int]]  # of jobs, by queue and state


def aliases() -> list[str]:
    """Return the aliases in TASKS that use this package's backend, "default" first."""
    names = [name for name in task_backends if isinstance(task_backends[name], JobQueueBackend)]
    return sorted(names, key=lambda name: name != "default")


class Source:
    """Read each value at most once, so that a page shows one instant."""

    def __init__(self) -> None:
        self.aliases = aliases()
        self.faults: dict[str, str] = {}  # by alias; shown to the user
        self._known: dict[Hashable, object] = {}
        if not self.aliases:
            self.faults[""] = _("No entry of TASKS uses the backend of django_jobqueue.")

    def read(self, alias: str, ask: Callable[[Inspector], T], otherwise: T) -> T:
        """Return an inspector's reply; after a fault of the alias, return `otherwise`."""
        if alias not in self.aliases or alias in self.faults:
            return otherwise
        try:
            return ask(get_engine(alias).inspector)
        except (JobQueueError, ImproperlyConfigured) as error:
            self.faults[alias] = str(error)
            return otherwise

    def raise_faults(self) -> None:
        """Raise QueueUnavailable if a read failed."""
        if self.faults:
            raise QueueUnavailable(" ".join(self.faults.values()))

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of `make` from the first call with this key."""
        if key not in self._known:
            self._known[key] = make()
        return cast(T, self._known[key])

    def workers(self, alias: str) -> list[WorkerStats]:
        """Return all workers of an alias."""
        nobody: list[WorkerStats] = []
        return self.read(alias, Inspector.workers, nobody)

    def count_queues(self, alias: str, prefix: str = "") -> int:
        """Return how many queues of an alias have a name that begins so."""
        return self.cached(
            ("queues", alias, prefix),
            lambda: self.read(alias, lambda seen: seen.count_queues(prefix), 0),
        )

    def counts(self, alias: str, queue: str = "") -> Counts:
        """Return the counts of a queue, known or not; without a name, of all, or 200 of many."""

        def ask(seen: Inspector) -> Counts:
            return seen.queue_counts([queue] if queue else seen.busy_queues())

        return self.cached(("counts", alias, queue), lambda: self.read(alias, ask, {}))

    def known_queues(self, alias: str) -> list[str]:
        """Return the queues that the settings allow, else those of jobs (200 of many) and tasks."""
        if alias in self.aliases and (allowed := task_backends[alias].queues):
            return sorted(allowed)
        named = {task.queue_name for task in registered().values() if task.backend == alias}
        nothing: list[str] = []
        return sorted(named.union(self.read(alias, Inspector.busy_queues, nothing)))

    def sums(self, alias: str) -> Sums | None:
        """Return the sums of all queues of an alias that has many; None if there are none."""
        return self.cached(("sums", alias), lambda: self.read(alias, Inspector.sums, None))
