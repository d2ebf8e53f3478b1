"""Jobs as rows, selected by rank in an index or, without an index, by search in a window.

Without a state filter, the list shows the states one after the other, in the order of `LISTED`,
each in the order of its index. So every page is exact, and only the shown rows are read. Of failed
jobs the tasks have indexes too: a search for parts of a task's path reads those.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeVar

from django.core.exceptions import FieldError

from django_jobqueue.admin import display
from django_jobqueue.admin.jobs import times
from django_jobqueue.admin.jobs.notes import Notes
from django_jobqueue.admin.jobs.segments import Segment, Window, shares
from django_jobqueue.admin.rows import Rows
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.job import is_id
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job
from django_jobqueue.steering.matching import Matcher
from django_jobqueue.steering.selection import LISTED, Depth, Selection

T = TypeVar("T")
NARROWING = frozenset({"task", "exception", "only", "time"})  # filters that take a window
WINDOW = 2_000  # jobs that a search without an index reads, at most


class JobRows(Rows[Job]):
    """Select jobs of one alias by state, queue, task, tag, id and the like, or search words."""

    lookups = frozenset({"alias", "state", "queue", "task", "tag"}) | NARROWING
    words: tuple[str, ...] = ()  # each must occur, where `depth` says
    depth = Depth.ERRORS
    newest_first = True

    def search(self, text: str) -> Self:
        """Select the job with this id, or the jobs that have these words; see `depth`."""
        clone = self._clone()
        words = text.casefold().split()
        for word in [word for word in text.split() if word.startswith("tag:")]:
            clone.where["tag"] = word.removeprefix("tag:")
            words.remove(word.casefold())
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

        Of many queues they are the latest sums, and {} before the first; {} if Redis is away too.
        """
        if self.has_many_queues:
            sums = self.source.sums(self.alias)
            return sums.counts if sums else {}
        segments = self._segments(LISTED)
        if self.alias in self.source.faults:
            return {}
        return {one.state: one.total for one in segments if one.state}

    def count(self) -> int:
        if self.ids is not None:
            return len(self._load())
        if self.needs_window:
            return len(self.window().found)
        return sum(segment.reach for segment in self.chosen_segments())

    def fetch(self, start: int, stop: int) -> list[Job]:
        if self.ids is not None:
            return self._load()[start:stop]
        if self.needs_window:
            ids = self.window().found[start:stop]
        else:
            ids = self._ids_of_segments(start, stop)
        found = self._read(lambda engine: engine.inspector.jobs(ids))
        return [Job.of(self.alias, snapshot) for snapshot in found]

    def failed_tasks(self) -> list[str]:
        """Return the tasks of which a job failed last."""
        nothing: list[str] = []
        return self.source.cached(
            ("failed tasks", self.alias),
            lambda: self.source.read(self.alias, Inspector.failed_tasks, nothing),
        )

    def notes(self) -> list[str]:
        return Notes(self).all()

    @property
    def is_cut(self) -> bool:
        """Return whether more may match than are listed."""
        return bool(Notes(self).cut_off())

    @property
    def has_many_queues(self) -> bool:
        """Return whether the selection is of more queues than are looked at together."""
        return "queue" not in self.where and self.source.count_queues(self.alias) > MOST_QUEUES

    def _add_lookup(self, name: str, value: Any) -> None:
        if name == "state" and value not in set(State):
            raise FieldError(f"{value!r} is no state.")
        super()._add_lookup(name, value)

    @property
    def needs_window(self) -> bool:
        """Return whether the list shows the matching ones among the first jobs of each state."""
        if self.tasks_alone():
            return False
        is_narrowed = bool(self.words or NARROWING & self.where.keys())
        return is_narrowed or ("tag" in self.where and bool({"state", "queue"} & self.where.keys()))

    def _load(self) -> list[Job]:
        if self._rows is None and self.ids is not None:
            self._rows = self._by_id(self.ids)
        return super()._load()

    def _by_id(self, ids: tuple[str, ...]) -> list[Job]:
        found: dict[str, Job] = {}
        for alias in [self.where["alias"]] if "alias" in self.where else self.source.aliases:
            if not (missing := [job_id for job_id in ids if job_id not in found]):
                break
            jobs = self._read(partial(self._matching, ids=missing), alias)
            found |= {job.id: Job.of(alias, job) for job in jobs}
        return [found[job_id] for job_id in ids if job_id in found]

    def selection(self) -> Selection:
        """Return what matches, however much the list shows of it."""
        where = self.where
        after, before = times.bounds(where.get("time", ""), display.now_ms())
        return Selection(
            states=(State(where["state"]),) if "state" in where else (),
            queues=(where["queue"],) if "queue" in where else (),
            tasks=(where["task"],) if "task" in where else (),
            tag=where.get("tag", ""),
            words=self.words,
            depth=self.depth,
            exception=where.get("exception", ""),
            only=where.get("only", ""),
            after=after,
            before=before,
        )

    def _matching(self, engine: Engine, ids: list[str]) -> list[Snapshot]:
        return Matcher(engine, self.selection()).matching(engine.inspector.jobs(ids))

    def _segments(self, states: tuple[State, ...]) -> list[Segment]:
        counts = self.source.counts(self.alias, self.where.get("queue", ""))
        segments = []
        for state in states:
            if state is State.FAILED and self.has_many_queues:
                segments.append(self._failed_of(tuple(self.failed_tasks())))
                continue
            having = {name: one[state] for name, one in counts.items() if one[state]}
            total = sum(having.values())
            segments.append(Segment(state=state, total=total, queues=tuple(having)))
        return segments

    def chosen_segments(self) -> list[Segment]:
        if tasks := self.tasks_alone():
            segments = [self._failed_of(tasks)]
        elif tag := self.where.get("tag"):
            segments = [Segment(total=self._count_tag(tag), tag=tag)]
        else:
            chosen = (State(self.where["state"]),) if "state" in self.where else LISTED
            segments = self._segments(chosen)
        return [segment for segment in segments if segment.total]

    def _tasks(self) -> tuple[str, ...]:
        """Return the tasks that are asked for, by path or by search words."""
        if "task" in self.where:
            return (self.where["task"],)
        return tuple(filter(self._has_words, self.failed_tasks())) if self.words else ()

    def tasks_alone(self) -> tuple[str, ...]:
        """Return the tasks if the selection is all their failed jobs, else none."""
        others = {"queue", "tag", "exception", "only", "time"}
        if others & self.where.keys() or self.where.get("state") != State.FAILED:
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

    def _count_tag(self, tag: str) -> int:
        return self.source.cached(
            ("tag", self.alias, tag),
            lambda: self.source.read(self.alias, lambda seen: seen.tags.count(tag), 0),
        )

    def _ids_of_segments(self, start: int, stop: int) -> list[str]:
        found: list[str] = []
        for segment in self.chosen_segments():
            if start < segment.reach and stop > 0:
                found += self._ids(segment, max(start, 0), stop)
            start, stop = start - segment.reach, stop - segment.reach
        return found

    def _ids(self, segment: Segment, start: int, stop: int) -> list[str]:
        newest = self.newest_first
        return self._read(lambda engine: segment.ids(engine, start, stop, newest_first=newest))

    def window(self) -> Window:
        key = ("window", *sorted(self.where.items()), self.words, self.newest_first)
        return self.source.cached(key, self._make_window)

    def _make_window(self) -> Window:
        """Read up to `WINDOW` jobs, the first of each state, and select the matching ones."""
        segments = self.chosen_segments()
        parts = shares(segments, WINDOW)
        read = [self._narrowed(segment, parts[segment.state]) for segment in segments]
        seen = [job_id for s in read for job_id in self._ids(s, 0, parts[s.state])]
        total = sum(segment.total for segment in read)
        chosen = self.selection()
        found = self._read(lambda engine: Matcher(engine, chosen).matching_ids(seen))
        return Window(found, len(seen), total)

    def _narrowed(self, segment: Segment, share: int) -> Segment:
        """Return the failed jobs of the tasks asked for, if fewer and if not all can be read."""
        if segment.state is not State.FAILED or segment.total <= share:
            return segment
        of_tasks = self._failed_of(tasks) if (tasks := self._tasks()) else segment
        return min(segment, of_tasks, key=lambda one: one.total)

    def _read(self, ask: Callable[[Engine], list[T]], alias: str | None = None) -> list[T]:
        name, nothing = self.alias if alias is None else alias, list[T]()
        return self.source.read(name, lambda _seen: ask(get_engine(name)), nothing)
