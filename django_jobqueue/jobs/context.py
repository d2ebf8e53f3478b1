"""The context that a run gives to its task and middleware: an extended Django TaskContext."""

import math
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django_jobqueue import compat
from django_jobqueue.jobs.result import JobResult
from django_jobqueue.jobs.text import one_line

_ContextBase: Any = compat.TaskContext


class Report(Protocol):
    """Store the progress and the log of a run, without raising Redis errors or waiting long."""

    def progress(self, current: int, total: int, text: str) -> None: ...
    def log(self, text: str) -> None: ...


# The report of the run that this thread or coroutine belongs to; None outside a run.
current_report: ContextVar[Report | None] = ContextVar("current_report", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext(_ContextBase):  # type: ignore[misc]
    """The current run, for a task that takes its context, and for middleware."""

    fence: str  # the token of this run; each run of the job has its own
    _report: Report = field(repr=False)
    _flow: Any = field(default=None, repr=False)  # of a member: see flow/membership.py

    if TYPE_CHECKING:
        task_result: JobResult[..., Any]

        @property
        def attempt(self) -> int: ...

    @property
    def max_attempts(self) -> int:
        return self.task_result.max_attempts

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the data that the caller and middleware gave the job besides its arguments."""
        return self.task_result.metadata

    @property
    def schedule(self) -> str:
        """Return the name of the schedule that enqueued the job; empty if none did."""
        return self.task_result.schedule

    @property
    def nominal_time(self) -> datetime | None:
        """Return the schedule's time for which the job was enqueued, however late it runs."""
        return self.task_result.nominal_time

    def progress(self, current: int, total: int, text: str = "") -> None:
        """Report the job's progress. Best effort: it raises no Redis error and never waits long.

        A `current` that is not between 0 and `total` counts as the nearer of these, and NaN as 0.
        """
        send_progress(self._report, current, total, text)

    def add_to_group(self, *calls: Any) -> None:
        """Add jobs to the group of a workflow in which this job is: `thumb.s(pk)`, or an iterable.

        They run at once, whatever follows the group waits for them, and their results come after
        those of its members, in their order. The n-th job that this one adds is stored once,
        however often this one runs.
        Raises: InvalidTask, TypeError, PayloadTooLarge, QueueUnavailable; WorkflowRefused if the
        workflow is being cancelled or full, or another run has this job.
        """
        self.task_result.task.get_backend().add_to_group(self, self._flow, calls)

    def log(self, text: str) -> None:
        """Add a line to the job's log. Best effort: see `progress`."""
        self._report.log(one_line(text))


def send_progress(report: Report, current: int, total: int, text: str) -> None:
    """Report a progress with numbers and a text that can be stored."""
    total = max(0, _whole(total))
    begun = total if current > total else max(0, _whole(current))
    report.progress(begun, total, one_line(text))


def _whole(number: float) -> int:
    return int(number) if abs(number) < math.inf else 0  # not for NaN either
