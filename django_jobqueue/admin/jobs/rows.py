"""Jobs as rows, selected by rank in an index or, without an index, by search in a window.

Without a state filter, the list shows the states one after the other, in the order of `LISTED`,
each in the order of its index. So every page is exact, and only the shown rows are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from django.core.exceptions import FieldError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.admin.rows import Rows
from django_jobqueue.engine.inspector import MERGE_DEPTH, Inspector
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.job import is_id
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job

WINDOW = 2_000  # jobs that a search without an index reads, at most
LISTED = (
    State.RUNNING,
    State.QUEUED,
    State.WAITING,
    State.SCHEDULED,
    State.FAILED,
    State.SUCCEEDED,
    State.CANCELLED,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """The jobs of one state, in the queues that have any."""

    state: State
    queues: tuple[str, ...]
    total: int

    @property
    def reach(self) -> int:
        """Return how many of these jobs can be listed."""
        return self.total if len(self.queues) == 1 else min(self.total, MERGE_DEPTH)


@dataclass(frozen=True, slots=True)
class Window:
    """The matching jobs among the first `seen` of `total` jobs."""

    found: list[Snapshot]
    seen: int
    total: int


class JobRows(Rows[Job]):
    """Select jobs of one alias by state, queue, task, id or search words."""

    lookups = frozenset({"alias", "state", "queue", "task"})
    words: tuple[str, ...] = ()  # each must occur in the task's path or the id
    newest_first = True

    def search(self, text: str) -> Self:
        """Select the job with this id, or the jobs whose task's path or id has these words."""
        clone = self._clone()
        words = text.casefold().split()
        if len(words) == 1 and is_id(words[0]):
            clone.where.clear()
            clone._select_ids(words)
        else:
            clone.words = tuple(words)
        return clone

    def named(self) -> Self:
        """Remove all filters but the alias from rows that were selected by id."""
        clone = self._clone()
        if clone.ids is not None:
            clone.where = {name: self.where[name] for name in self.where if name == "alias"}
            clone.words = ()
        return clone

    def oldest(self) -> Self:
        clone = self._clone()
        clone.newest_first = False
        return clone

    @property
    def alias(self) -> str:
        return self.where.get("alias") or next(iter(self.source.aliases), "")

    def totals(self) -> dict[State, int]:
        """Return the number of jobs per state, in the selected queue or in all."""
        return {segment.state: segment.total for segment in self._segments(LISTED)}

    def count(self) -> int:
        if self.ids is not None:
            return len(self._load())
        if self._needs_window:
            return len(self._window().found)
        if "task" in self.where:
            return self._count_failed_of_task()
        return sum(segment.reach for segment in self._chosen_segments())

    def fetch(self, start: int, stop: int) -> list[Job]:
        if self.ids is not None:
            return self._load()[start:stop]
        if self._needs_window:
            found = self._window().found[start:stop]
        elif "task" in self.where:
            found = self._read_failed_of_task(start, stop)
        else:
            found = self._read_segments(start, stop)
        return [Job.of(self.alias, snapshot) for snapshot in found]

    def notes(self) -> list[str]:
        return [*self._cut_off(), *self._removed_early()]

    def _removed_early(self) -> list[str]:
        """Tell of jobs of the selected state that are gone before their retention."""
        state, queue = self.where.get("state", ""), self.where.get("queue", "")
        totals: dict[str, int] = self.source.read(self.alias, Inspector.totals, {})
        start = f"trimmed:{state}:{queue}"
        removed = sum(
            count
            for name, count in totals.items()
            if name == start or (not queue and name.startswith(start))
        )
        if not state or not removed:
            return []
        text = ngettext(
            "%(count)d job of this state was removed before its time, because its queue had more "
            "than RETENTION_COUNT allows.",
            "%(count)d jobs of this state were removed before their time, because their queues "
            "had more than RETENTION_COUNT allows.",
            removed,
        )
        return [text % {"count": removed}]

    def _cut_off(self) -> list[str]:
        if self.ids is not None:
            return []
        if self._needs_window:
            window = self._window()
            if window.seen >= window.total:
                return []
            text = _(
                "This looked only at the first jobs of each state, %(seen)d of %(total)d. "
                "Choose a state and a queue to look further."
            )
            return [text % {"seen": window.seen, "total": window.total}]
        cut = [s for s in self._chosen_segments() if s.reach < s.total]
        if "task" in self.where or not cut:
            return []
        text = _(
            "Over several queues only %(reach)d jobs of a state are listed, and there are "
            "%(total)d. Choose a queue to list all of it."
        )
        return [text % {"reach": MERGE_DEPTH, "total": max(s.total for s in cut)}]

    def _add_lookup(self, name: str, value: Any) -> None:
        if name == "state" and value not in set(State):
            raise FieldError(f"{value!r} is no state.")
        super()._add_lookup(name, value)

    @property
    def _needs_window(self) -> bool:
        if self.words:
            return True
        return "task" in self.where and (
            "queue" in self.where or self.where.get("state") != State.FAILED
        )

    def _load(self) -> list[Job]:
        if self._rows is None and self.ids is not None:
            self._rows = self._by_id(self.ids)
        return super()._load()

    def _by_id(self, ids: tuple[str, ...]) -> list[Job]:
        found: dict[str, Job] = {}
        for alias in [self.where["alias"]] if "alias" in self.where else self.source.aliases:
            if not (missing := [job_id for job_id in ids if job_id not in found]):
                break
            jobs = self._read(partial(Inspector.jobs, ids=missing), alias)
            found |= {job.id: Job.of(alias, job) for job in jobs if self._matches(job)}
        return [found[job_id] for job_id in ids if job_id in found]

    def _matches(self, job: Snapshot) -> bool:
        """Return whether a job matches the filters and the search words."""
        given = {"state": job.state, "queue": job.queue, "task": job.task}
        if any(given[name] != self.where[name] for name in given if name in self.where):
            return False
        text = f"{job.task} {job.id}".casefold()
        return all(word in text for word in self.words)

    def _segments(self, states: tuple[State, ...]) -> list[Segment]:
        stats = self.source.stats(self.alias)
        if "queue" in self.where:
            stats = [row for row in stats if row.name == self.where["queue"]]
        segments = []
        for state in states:
            having = [row for row in stats if row.counts[state]]
            total = sum(row.counts[state] for row in having)
            segments.append(Segment(state, tuple(row.name for row in having), total))
        return segments

    def _chosen_segments(self) -> list[Segment]:
        chosen = (State(self.where["state"]),) if "state" in self.where else LISTED
        return [segment for segment in self._segments(chosen) if segment.total]

    def _read_segments(self, start: int, stop: int) -> list[Snapshot]:
        found: list[Snapshot] = []
        for segment in self._chosen_segments():
            if start < segment.reach and stop > 0:
                found += self._read_segment(segment, max(start, 0), min(stop, segment.reach))
            start, stop = start - segment.reach, stop - segment.reach
        return found

    def _read_segment(self, segment: Segment, start: int, stop: int) -> list[Snapshot]:
        return self._read(
            lambda seen: seen.page(
                segment.state,
                start,
                stop,
                queues=segment.queues,
                newest_first=self.newest_first,
            )
        )

    def _count_failed_of_task(self) -> int:
        task = self.where["task"]
        return self.source.cached(
            ("failed-of", self.alias, task),
            lambda: self.source.read(self.alias, lambda seen: seen.count_failed_of(task), 0),
        )

    def _read_failed_of_task(self, start: int, stop: int) -> list[Snapshot]:
        task = self.where["task"]
        newest = self.newest_first
        return self._read(lambda seen: seen.failed_of(task, start, stop, newest_first=newest))

    def _window(self) -> Window:
        key = ("window", *sorted(self.where.items()), self.words, self.newest_first)
        return self.source.cached(key, self._make_window)

    def _make_window(self) -> Window:
        """Read up to `WINDOW` jobs, the first of each state, and select the matching ones."""
        if "task" in self.where and self.where.get("state") == State.FAILED:
            seen, total = self._read_failed_of_task(0, WINDOW), self._count_failed_of_task()
        else:
            segments = self._chosen_segments()
            shares = _shares(segments)
            seen = [j for s in segments for j in self._read_segment(s, 0, shares[s.state])]
            total = sum(segment.total for segment in segments)
        return Window([job for job in seen if self._matches(job)], len(seen), total)

    def _read(
        self, ask: Callable[[Inspector], list[Snapshot]], alias: str | None = None
    ) -> list[Snapshot]:
        return self.source.read(self.alias if alias is None else alias, ask, [])


def _shares(segments: list[Segment]) -> dict[State, int]:
    """Divide the window equally; the unused part of small states goes to larger ones."""
    shares: dict[State, int] = {}
    left = WINDOW
    for number, segment in enumerate(sorted(segments, key=lambda segment: segment.reach)):
        shares[segment.state] = min(segment.reach, left // (len(segments) - number))
        left -= shares[segment.state]
    return shares
