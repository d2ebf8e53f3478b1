"""Jobs as rows, selected by rank in an index or, without an index, by search in a window.

Without a state filter, the list shows the states one after the other, in the order of `LISTED`,
each in the order of its index. So every page is exact, and only the shown rows are read. Of failed
jobs the tasks have indexes too: a search for parts of a task's path reads those.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

from django.core.exceptions import FieldError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.admin import display
from django_jobqueue.admin.jobs.segments import Segment, Window, shares
from django_jobqueue.admin.rows import Rows
from django_jobqueue.engine.inspector import MERGE_DEPTH, MOST_TASKS, Inspector
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.job import is_id
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job
from django_jobqueue.steering.selection import LISTED

WINDOW = 2_000  # jobs that a search without an index reads, at most


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
        """Return the number of jobs per state, in the selected queue or in all.

        Of many queues they are the latest sums, and {} before the first.
        """
        if self._has_many_queues:
            sums = self.source.sums(self.alias)
            return sums.counts if sums else {}
        return {segment.state: segment.total for segment in self._segments(LISTED)}

    def count(self) -> int:
        if self.ids is not None:
            return len(self._load())
        if self._needs_window:
            return len(self._window().found)
        return sum(segment.reach for segment in self._chosen_segments())

    def fetch(self, start: int, stop: int) -> list[Job]:
        if self.ids is not None:
            return self._load()[start:stop]
        if self._needs_window:
            found = self._window().found[start:stop]
        else:
            found = self._read_segments(start, stop)
        return [Job.of(self.alias, snapshot) for snapshot in found]

    def failed_tasks(self) -> list[str]:
        """Return the tasks of which a job failed last."""
        nothing: list[str] = []
        return self.source.cached(
            ("failed tasks", self.alias),
            lambda: self.source.read(self.alias, Inspector.failed_tasks, nothing),
        )

    def notes(self) -> list[str]:
        return [
            *self._cut_off(),
            *self._other_queues(),
            *self._unnamed_tasks(),
            *self._removed_early(),
        ]

    @property
    def _has_many_queues(self) -> bool:
        """Return whether the selection is of more queues than are looked at together."""
        return "queue" not in self.where and self.source.count_queues(self.alias) > MOST_QUEUES

    def _other_queues(self) -> list[str]:
        """Tell of queues whose jobs are not listed."""
        if self.ids is not None or not self._has_many_queues or self._tasks_alone():
            return []
        total = self.source.count_queues(self.alias)
        values = {"total": phrases.count(total), "most": phrases.count(MOST_QUEUES)}
        text = _(
            "There are %(total)s queues. The list has only the failed jobs of all of them, and the "
            "other jobs of %(most)s, those with jobs to claim first. To see another queue, put "
            "its name into the address, as queue=its-name, or open it from the list of queues."
        )
        sums = self.source.sums(self.alias)
        if sums is None:
            return [text % values, _("The states are not counted yet: no worker has summed them.")]
        age = phrases.span(max(0, display.now_ms() - sums.at))
        return [text % values, _("The states were counted %(age)s ago.") % {"age": age}]

    def _unnamed_tasks(self) -> list[str]:
        """Tell of tasks with failed jobs that are neither offered nor searched."""
        if self.where.get("state") != State.FAILED or len(self.failed_tasks()) < MOST_TASKS:
            return []
        total = self.source.read(self.alias, Inspector.count_failed_tasks, 0)
        text = _(
            "%(total)s tasks have failed jobs. Only the %(most)s that failed last are offered and "
            "searched; the address takes any other, as task=its.path."
        )
        values = {"total": phrases.count(total), "most": phrases.count(MOST_TASKS)}
        return [text % values] if total > MOST_TASKS else []

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
            "%(count)s job of this state was removed before its time, because its queue had more "
            "than RETENTION_COUNT allows.",
            "%(count)s jobs of this state were removed before their time, because their queues "
            "had more than RETENTION_COUNT allows.",
            removed,
        )
        return [text % {"count": phrases.count(removed)}]

    def _cut_off(self) -> list[str]:
        if self.ids is not None:
            return []
        if self._needs_window:
            window = self._window()
            if window.seen >= window.total:
                return []
            text = _(
                "This looked only at the first jobs of each state, %(seen)s of %(total)s. "
                "Choose a state and a queue to look further."
            )
            values = {"seen": phrases.count(window.seen), "total": phrases.count(window.total)}
            return [text % values]
        cut = [s for s in self._chosen_segments() if s.reach < s.total]
        if not cut:
            return []
        text = _(
            "Over several queues or tasks only %(reach)s jobs of a state are listed, and there are "
            "%(total)s. Choose one to list all of it."
        )
        total = phrases.count(max(s.total for s in cut))
        return [text % {"reach": phrases.count(MERGE_DEPTH), "total": total}]

    def _add_lookup(self, name: str, value: Any) -> None:
        if name == "state" and value not in set(State):
            raise FieldError(f"{value!r} is no state.")
        super()._add_lookup(name, value)

    @property
    def _needs_window(self) -> bool:
        return bool(self.words or "task" in self.where) and not self._tasks_alone()

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
        return self._has_words(f"{job.task} {job.id}")

    def _segments(self, states: tuple[State, ...]) -> list[Segment]:
        if queue := self.where.get("queue"):
            stats = self.source.stats(self.alias, queue)
        else:
            stats = self.source.busy(self.alias)
        segments = []
        for state in states:
            if state is State.FAILED and self._has_many_queues:
                segments.append(self._failed_of(tuple(self.failed_tasks())))
                continue
            having = [row for row in stats if row.counts[state]]
            total = sum(row.counts[state] for row in having)
            names = tuple(row.name for row in having)
            segments.append(Segment(state=state, total=total, queues=names))
        return segments

    def _chosen_segments(self) -> list[Segment]:
        if tasks := self._tasks_alone():
            segments = [self._failed_of(tasks)]
        else:
            chosen = (State(self.where["state"]),) if "state" in self.where else LISTED
            segments = self._segments(chosen)
        return [segment for segment in segments if segment.total]

    def _tasks(self) -> tuple[str, ...]:
        """Return the tasks that are asked for, by path or by search words."""
        if "task" in self.where:
            return (self.where["task"],)
        return tuple(filter(self._has_words, self.failed_tasks())) if self.words else ()

    def _tasks_alone(self) -> tuple[str, ...]:
        """Return the tasks if the selection is all their failed jobs, else none."""
        if "queue" in self.where or self.where.get("state") != State.FAILED:
            return ()
        return tuple(filter(self._has_words, self._tasks()))

    def _has_words(self, text: str) -> bool:
        return all(word in text.casefold() for word in self.words)

    def _failed_of(self, tasks: tuple[str, ...]) -> Segment:
        total = self.source.cached(
            ("failed-of", self.alias, tasks),
            lambda: self.source.read(self.alias, lambda seen: seen.count_failed_of(tasks), 0),
        )
        return Segment(state=State.FAILED, total=total, tasks=tasks)

    def _read_segments(self, start: int, stop: int) -> list[Snapshot]:
        found: list[Snapshot] = []
        for segment in self._chosen_segments():
            if start < segment.reach and stop > 0:
                found += self._read_segment(segment, max(start, 0), stop)
            start, stop = start - segment.reach, stop - segment.reach
        return found

    def _read_segment(self, segment: Segment, start: int, stop: int) -> list[Snapshot]:
        newest = self.newest_first
        return self._read(lambda seen: segment.read(seen, start, stop, newest_first=newest))

    def _window(self) -> Window:
        key = ("window", *sorted(self.where.items()), self.words, self.newest_first)
        return self.source.cached(key, self._make_window)

    def _make_window(self) -> Window:
        """Read up to `WINDOW` jobs, the first of each state, and select the matching ones."""
        segments = self._chosen_segments()
        parts = shares(segments, WINDOW)
        read = [self._narrowed(segment, parts[segment.state]) for segment in segments]
        seen = [job for s in read for job in self._read_segment(s, 0, parts[s.state])]
        total = sum(segment.total for segment in read)
        return Window([job for job in seen if self._matches(job)], len(seen), total)

    def _narrowed(self, segment: Segment, share: int) -> Segment:
        """Return the failed jobs of the tasks asked for, if fewer and if not all can be read."""
        if segment.state is not State.FAILED or segment.total <= share:
            return segment
        of_tasks = self._failed_of(tasks) if (tasks := self._tasks()) else segment
        return min(segment, of_tasks, key=lambda one: one.total)

    def _read(
        self, ask: Callable[[Inspector], list[Snapshot]], alias: str | None = None
    ) -> list[Snapshot]:
        return self.source.read(self.alias if alias is None else alias, ask, [])
