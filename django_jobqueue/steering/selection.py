"""Choose jobs by state, queue, task, words and age, by reading the indexes page by page.

It is exact, however many jobs and queues there are, and takes the time that this takes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_jobqueue.engine import Engine
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State

PAGE = 500  # jobs that one read returns
LISTED = (
    State.RUNNING,
    State.QUEUED,
    State.WAITING,
    State.SCHEDULED,
    State.FAILED,
    State.SUCCEEDED,
    State.CANCELLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What jobs to choose; what is empty chooses all."""

    states: Sequence[State] = ()
    queues: Sequence[str] = ()
    tasks: Sequence[str] = ()  # whole paths
    words: Sequence[str] = ()  # each must occur in the task's path or the id
    before: int | None = None  # ms; see `_time_of`
    newest_first: bool = True

    def jobs(self, engine: Engine) -> Iterator[Job]:
        """Yield the jobs, state by state, those of at most 200 queues together."""
        states = self.states or LISTED
        if self.tasks and not self.queues and tuple(states) == (State.FAILED,):
            yield from filter(self._fits, self._failed(engine))
            return
        for names in self._pages(engine):
            counts = {one.name: one.counts for one in engine.inspector.queue_stats(names)}
            for state in states:
                for name in names:
                    if counts[name][state]:
                        yield from filter(self._fits, self._of(engine, state, name))

    def _pages(self, engine: Engine) -> Iterator[list[str]]:
        every = [list(self.queues)] if self.queues else engine.queues.pages()
        for names in every:
            for start in range(0, len(names), MOST_QUEUES):
                yield names[start : start + MOST_QUEUES]

    def _of(self, engine: Engine, state: State, queue: str) -> Iterator[Job]:
        start, newest = 0, self.newest_first
        while page := engine.inspector.page(
            state, start, start + PAGE, queues=[queue], newest_first=newest
        ):
            yield from page
            start += PAGE

    def _failed(self, engine: Engine) -> Iterator[Job]:
        for task in self.tasks:
            start, newest = 0, self.newest_first
            while page := engine.inspector.failed_of(
                [task], start, start + PAGE, newest_first=newest
            ):
                yield from page
                start += PAGE

    def _fits(self, job: Job) -> bool:
        if self.tasks and job.task not in self.tasks:
            return False
        if self.before is not None and _time_of(job) >= self.before:
            return False
        text = f"{job.task} {job.id}".casefold()
        return all(word.casefold() in text for word in self.words)


def _time_of(job: Job) -> int:
    """Return when a job ended, or its run began, or it was enqueued, in ms."""
    if job.state.is_final:
        return job.finished_at or job.enqueued_at
    if job.state is State.RUNNING:
        return job.attempted_at
    return job.enqueued_at
