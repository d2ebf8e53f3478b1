"""The segments of a list of jobs: each has the jobs of one state, in the order of their index."""

from collections.abc import Sequence
from dataclasses import dataclass

from django_jobqueue.engine import Engine
from django_jobqueue.engine.inspector import MERGE_DEPTH
from django_jobqueue.engine.keys import INDEX_OF
from django_jobqueue.jobs.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The jobs of one state in some queues, the failed jobs of some tasks, or those of a tag."""

    total: int
    state: State | None = None  # None: in whatever state
    queues: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tag: str = ""

    @property
    def reach(self) -> int:
        """Return how many of these jobs can be listed."""
        is_one = self.tag or len(self.queues) + len(self.tasks) == 1
        return self.total if is_one else min(self.total, MERGE_DEPTH)

    def ids(self, engine: Engine, start: int, stop: int, *, newest_first: bool) -> list[str]:
        """Return the ids of the jobs from rank `start` to before `stop`."""
        keys, stop = engine.client.keys, min(stop, self.reach)
        if self.state is None:
            return engine.inspector.tags.ids(self.tag, start, stop, newest_first=newest_first)
        name = "failed-of" if self.tasks else INDEX_OF[self.state]
        indexes = [keys(name, one) for one in self.tasks or self.queues]
        return engine.inspector.ids(indexes, start, stop, newest_first)


@dataclass(frozen=True, slots=True)
class Window:
    """The matching jobs among the first `seen` of `total` jobs."""

    found: list[str]  # ids
    seen: int
    total: int


def shares(segments: Sequence[Segment], window: int) -> dict[State | None, int]:
    """Divide a window equally; the unused part of small states goes to larger ones."""
    found: dict[State | None, int] = {}
    left = window
    for number, segment in enumerate(sorted(segments, key=lambda segment: segment.reach)):
        found[segment.state] = min(segment.reach, left // (len(segments) - number))
        left -= found[segment.state]
    return found
