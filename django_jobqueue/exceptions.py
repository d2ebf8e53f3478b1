"""The errors that users of the package meet, each with its cause and its cure.

    JobQueueError
    ├── JobNotFound          no such job, or it was trimmed after its retention
    ├── PayloadTooLarge      arguments or result above the size cap
    ├── BadSignature         a record that this project did not write
    ├── TaskUnknown          a stored task path that this code does not have
    ├── QueueUnavailable     Redis can't be reached or refuses; nothing was stored
    ├── ServerUnfit          Redis is too old, or may evict jobs
    ├── OwnerMismatch        the keys belong to another project or signing key
    └── SchemaMismatch       the keys were written by an incompatible version
    Retry, Cancel            raised inside a task to steer its own job
    JobInterrupt             raised in a task by its worker; no `except Exception` catches it
    ├── JobTimeout           its time is over
    └── JobCancelled         somebody has cancelled it

Owns names only; imports nothing.
"""

from datetime import timedelta

YEAR = 366 * 86_400  # seconds


class JobQueueError(Exception):
    """Base class of the package's errors. Never raised itself."""


class JobNotFound(JobQueueError):
    """The job is unknown: the id is wrong, or its retention has passed."""


class PayloadTooLarge(JobQueueError, ValueError):
    """Arguments or result exceed the cap: store the data elsewhere and pass its key."""


class BadSignature(JobQueueError):
    """A stored job was not signed with a key of this project: it is not run."""


class TaskUnknown(JobQueueError):
    """A stored task path leads to no task in this code: deploy it, or cancel the job."""


class QueueUnavailable(JobQueueError):
    """Redis can't be reached or refuses the command: nothing was stored, call again.

    `passing` is False if that needs a change of settings first, such as another password.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


class ServerUnfit(JobQueueError):
    """The server can't be trusted with jobs: too old, or set to evict keys."""


class OwnerMismatch(JobQueueError):
    """The keys under this prefix belong to another project or signing key."""


class SchemaMismatch(JobQueueError):
    """The keys were written by a version with another major schema number."""


class Retry(Exception):
    """Raise inside a task to run the job again, even if its attempts are used up.

    `after` is a timedelta or seconds; None takes the task's own backoff.
    Raises: ValueError for a delay that is negative, endless or longer than a year.
    """

    after: float | None = None  # also of a subclass with an __init__ of its own

    def __init__(self, after: timedelta | float | None = None, reason: str = "") -> None:
        super().__init__(reason or "the task asked for a retry")
        self.after = after.total_seconds() if isinstance(after, timedelta) else after
        if self.after is not None and not 0 <= self.after <= YEAR:
            raise ValueError(f"Retry(after={after!r}): give seconds from 0 to {YEAR}.")


class Cancel(Exception):
    """Raise inside a task to end its job as cancelled."""


class JobInterrupt(BaseException):
    """The worker wants the task to end. Clean up, and let it go on: a hard kill follows."""


class JobTimeout(JobInterrupt):
    """The task has used up its time."""


class JobCancelled(JobInterrupt):
    """The job was cancelled while it ran."""
