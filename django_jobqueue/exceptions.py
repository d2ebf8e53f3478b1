"""The exceptions of the package, each with its cause and remedy.

    JobQueueError
    ├── JobNotFound          no such job, or it was trimmed after its retention
    ├── LockHeld             a unique job can't be requeued: another one holds its lock
    ├── MemberHeld           a member of a workflow can't be requeued before its parent
    ├── PayloadTooLarge      arguments or result above the size cap
    ├── BadSignature         a stored job that this project did not sign
    ├── TaskUnknown          this code has no task at a stored path
    ├── QueueUnavailable     Redis can't be reached or refuses the command
    ├── ServerUnfit          Redis is too old, or may evict jobs
    ├── OwnerMismatch        the keys belong to another project or signing key
    └── SchemaMismatch       the keys were written by an incompatible version
    Retry, Cancel            raised inside a task to steer its own job
    JobInterrupt             raised in a task by its worker; no `except Exception` catches it
    ├── JobTimeout           the task has used up its time
    └── JobCancelled         the job was cancelled while it ran

Their texts may quote what others stored in Redis, so its control characters are escaped.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django_jobqueue.jobs.text import spelled

YEAR = 366 * 86_400  # seconds


class JobQueueError(Exception):
    """The base class of the package's errors, which is never raised itself."""

    def __str__(self) -> str:
        return spelled(super().__str__())


class JobNotFound(JobQueueError):
    """The job is unknown: the id is wrong, or its retention has passed."""


class LockHeld(JobQueueError):
    """Another job holds the lock of a unique job that was to be requeued."""

    def __init__(self, job_id: str, holder: str) -> None:
        super().__init__(
            f"The unique job {job_id} can't be requeued: job {holder} holds its lock. Wait until "
            "that one lets it go, or cancel it."
        )
        self.holder = holder  # id of the other job


class MemberHeld(JobQueueError):
    """A member of a workflow can't run again, because something before it is missing."""

    def __init__(self, job_id: str, parent: str) -> None:
        why = f"job {parent} has not succeeded, for which it waited: requeue job {parent}."
        if parent == "unsealed":
            why = "its workflow was not stored whole. Enqueue the workflow again."
        super().__init__(f"Job {job_id} can't be requeued: {why}")


class PayloadTooLarge(JobQueueError, ValueError):
    """Arguments or result exceed the cap: store the data elsewhere and pass its key."""


class BadSignature(JobQueueError):
    """A stored job was not signed with a key of this project, so it is not run."""


class TaskUnknown(JobQueueError):
    """This code has no task at the path of a stored job: deploy the task, or cancel the job."""


class QueueUnavailable(JobQueueError):
    """Redis can't be reached or refuses the command.

    `maybe_stored` is whether the command may have been carried out: it was sent, and no reply came.
    Else nothing was stored. `again` repeats a failed enqueue under the same ids, so that no job is
    stored twice, and returns its results in a list; None: the call was no enqueue.
    `passing` is False if a setting, such as the password, must be changed first.
    """

    def __init__(self, message: str, *, passing: bool = True, maybe_stored: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        self.maybe_stored = maybe_stored
        self.again: Callable[[], Any] | None = None


class ServerUnfit(JobQueueError):
    """The server is unfit for jobs: it is too old, or is set to evict keys."""


class OwnerMismatch(JobQueueError):
    """The keys under this prefix belong to another project or signing key."""


class SchemaMismatch(JobQueueError):
    """The keys were written by a version with another major schema number."""


class Retry(Exception):
    """Raise this in a task to run the job again, even if its attempts are used up.

    `after` is a timedelta or seconds; None uses the task's own backoff.
    Raises: ValueError for a delay that is negative, infinite or longer than a year.
    """

    after: float | None = None  # the default also for a subclass with its own __init__

    def __init__(self, after: timedelta | float | None = None, reason: str = "") -> None:
        super().__init__(reason or "the task asked for a retry")
        self.after = after.total_seconds() if isinstance(after, timedelta) else after
        if self.after is not None and not 0 <= self.after <= YEAR:
            raise ValueError(f"Retry(after={after!r}): give seconds from 0 to {YEAR}.")


class Cancel(Exception):
    """Raise this in a task to end its job as cancelled."""


class JobInterrupt(BaseException):
    """The worker interrupts the task: clean up and re-raise this, because a kill follows."""


class JobTimeout(JobInterrupt):
    """The task has used up its time."""


class JobCancelled(JobInterrupt):
    """The job was cancelled while it ran."""
