"""Choose jobs by their index, age, task, tag and texts, by reading the indexes page by page.

It is exact, however many jobs and queues there are, and takes the time that this takes.
Next: matching.py compares the jobs with what is chosen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from itertools import chain, islice
from typing import Any, Self

from django_jobqueue.engine import Engine
from django_jobqueue.engine.keys import INDEX_OF
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.engine.walking import PAGE, walk, whole
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State

LISTED = (
    State.RUNNING,
    State.QUEUED,
    State.WAITING,
    State.SCHEDULED,
    State.FAILED,
    State.SUCCEEDED,
    State.CANCELLED,
)
NO_EXCEPTION = "-"  # of jobs that failed without one, as they were lost for example


EMPTIED = (State.QUEUED, State.WAITING)  # of the jobs that are deleted to empty a queue


class Depth(IntEnum):
    """Where words are looked for, beside the task's path and the id."""

    NAMES = 0  # nowhere
    ERRORS = 1  # in the class of the latest run's exception
    TEXTS = 2  # in its message too, and in the arguments without their secrets
    SECRETS = 3  # in all arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What jobs to choose; what is empty chooses all."""

    states: Sequence[State] = ()
    queues: Sequence[str] = ()
    tasks: Sequence[str] = ()  # whole paths
    tag: str = ""
    words: Sequence[str] = ()  # each must occur, where `depth` says
    depth: Depth = Depth.NAMES
    exception: str = ""  # path of the class with which the latest run failed, or NO_EXCEPTION
    only: str = ""  # retrying or recovered
    after: int | None = None  # ms; see `time_of`
    before: int | None = None
    newest_first: bool = True

    @property
    def narrows(self) -> bool:
        """Return whether it asks for more than words and an exception."""
        is_timed = self.after is not None or self.before is not None
        return is_timed or any((self.states, self.queues, self.tasks, self.tag, self.only))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Return the selection that `as_json` has described."""
        states = [State(one) for one in given["states"]]
        return cls(**{**given, "states": states, "depth": Depth(given["depth"])})

    def pages(self, engine: Engine) -> Iterator[list[Job]]:
        """Yield the jobs to look at in pages, state by state."""
        for state, name in self._indexes(engine):
            start, newest = 0, self.newest_first
            while page := self._page(engine, state, name, start, newest):
                yield page
                start += PAGE

    def walk(self, engine: Engine) -> Iterator[list[Job]]:
        """Yield them for somebody who changes them: see engine/walking.py."""
        for state, name in self._indexes(engine):
            key = self._key(engine, state, name)
            running = state is State.RUNNING
            ids = [whole(engine.client, key)] if running else walk(engine.client, key)
            for page in ids:
                yield engine.inspector.jobs(page)

    def count(self, engine: Engine) -> int:
        """Return how many jobs are looked at."""
        keys = [self._key(engine, state, name) for state, name in self._indexes(engine)]
        return sum(filter(None, engine.client.read(lambda pipe: [pipe.zcard(k) for k in keys])))

    def _indexes(self, engine: Engine) -> Iterator[tuple[State | None, str]]:
        """Yield states and queues; None and the tag; or the failed state and a task."""
        if self.tag:
            yield None, self.tag
        elif self._is_by_task:
            for task in self.tasks:
                yield State.FAILED, task
        else:
            yield from self._of_queues(engine)

    @property
    def _is_by_task(self) -> bool:
        return bool(self.tasks) and not self.queues and tuple(self.states) == (State.FAILED,)

    def _of_queues(self, engine: Engine) -> Iterator[tuple[State, str]]:
        """Yield the indexes that are not empty, those of at most 200 queues together."""
        for names in self._queue_pages(engine):
            counts = engine.inspector.queue_counts(names)
            for state in self.states or LISTED:
                for name in names:
                    if counts[name][state]:
                        yield state, name

    def _queue_pages(self, engine: Engine) -> Iterator[list[str]]:
        names = iter(self.queues or chain.from_iterable(engine.queues.pages()))
        while page := list(islice(names, MOST_QUEUES)):
            yield page

    def _key(self, engine: Engine, state: State | None, name: str) -> str | bytes:
        if state is None:
            return engine.client.keys("tag", name)
        return engine.client.keys("failed-of" if self._is_by_task else INDEX_OF[state], name)

    def _page(
        self, engine: Engine, state: State | None, name: str, start: int, newest: bool
    ) -> list[Job]:
        inspector, stop = engine.inspector, start + PAGE
        if state is None:
            return inspector.tags.page(name, start, stop, newest_first=newest)
        if self._is_by_task:
            return inspector.failed_of([name], start, stop, newest_first=newest)
        return inspector.page(state, start, stop, queues=[name], newest_first=newest)


def time_of(job: Job) -> int:
    """Return when a job ended, or its run began, or it was enqueued, in ms."""
    if job.state.is_final:
        return job.finished_at or job.enqueued_at
    if job.state is State.RUNNING:
        return job.attempted_at
    return job.enqueued_at
