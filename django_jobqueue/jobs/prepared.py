"""The jobs of a call, and their results, each made when somebody first looks at it."""

from collections.abc import Iterator, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from django_jobqueue.compat import TaskResultDoesNotExist, TaskResultMismatch
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.result import JobResult, result_of
from django_jobqueue.jobs.result_changes import set_created, set_enqueued

P = ParamSpec("P")
R = TypeVar("R")


class Prepared:
    """A job to store, and the result for its caller."""

    __slots__ = ("_result", "job", "task")

    def __init__(self, job: Job, task: Any) -> None:
        self.job = job
        self.task = task
        self._result: JobResult[..., Any] | None = None

    @property
    def result(self) -> JobResult[..., Any]:
        return self.make_result()

    def make_result(self) -> JobResult[..., Any]:
        """Make the result, unless it is made already."""
        if self._result is None:
            self._result = self._existing() or result_of(self.job, self.task)
        return self._result

    @property
    def is_new(self) -> bool:
        """Return whether the job is stored, and no other one stands for it."""
        return bool(self.job.enqueued_at) and self.job.duplicate is None

    def _existing(self) -> JobResult[..., Any] | None:
        """Return the result of the job that stands for this one, if it can be read."""
        if self.job.duplicate is None:
            return None
        try:
            found: JobResult[..., Any] = self.task.get_backend().get_result(self.job.id)
        except (TaskResultDoesNotExist, TaskResultMismatch, JobQueueError):
            return None
        set_created(found, False)
        return found

    @property
    def is_wanted(self) -> bool:
        """Return whether the job is still to be stored."""
        is_dropped = self._result is not None and self._result.is_dropped
        return not self.job.enqueued_at and not is_dropped

    def note_stored(self, at: int) -> None:
        """Note when the job was stored, in ms since the epoch."""
        self.job.enqueued_at = at
        if self.job.duplicate is not None and self.job.unique.count(" ") == 1:
            # Nobody has the id yet: the caller gets the existing job.
            self.job.id, self.job.state = self.job.duplicate.id, self.job.duplicate.state
            self._result = None
        if self._result is not None:
            set_enqueued(self._result, at, self.job.expires_at if self.job.expires else None)
            set_created(self._result, self.is_new if at else None)


class Results(Sequence[JobResult[P, R]]):
    """The results of `enqueue_many`, in the order of its calls."""

    __slots__ = ("_prepared",)

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        self._prepared = prepared

    def __len__(self) -> int:
        return len(self._prepared)

    @overload
    def __getitem__(self, place: int) -> JobResult[P, R]: ...
    @overload
    def __getitem__(self, place: slice) -> list[JobResult[P, R]]: ...
    def __getitem__(self, place: Any) -> Any:
        found: Any = self._prepared[place]
        return [one.result for one in found] if isinstance(place, slice) else found.result

    def __iter__(self) -> Iterator[JobResult[P, R]]:
        return (one.result for one in self._prepared)

    def __add__(self, more: Sequence[Any]) -> list[Any]:
        return [*self, *more]

    def __radd__(self, more: Sequence[Any]) -> list[Any]:
        return [*more, *self]

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a list, or the like, of results of the same jobs in order."""
        if not isinstance(other, list | Results):
            return NotImplemented
        return [one.job.id for one in self._prepared] == [getattr(one, "id", one) for one in other]

    __hash__ = None  # type: ignore[assignment]  # as that of a list

    def __repr__(self) -> str:
        return repr(list(self))
