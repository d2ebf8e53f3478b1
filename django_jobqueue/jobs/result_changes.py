"""What changes in the result that a caller holds, when something is heard of its job."""

from typing import TYPE_CHECKING, Any

from django_jobqueue import compat
from django_jobqueue.jobs.moments import moment
from django_jobqueue.jobs.states import State

if TYPE_CHECKING:
    from django_jobqueue.jobs.result import JobResult

Status = compat.TaskResultStatus

STATUS_OF = {
    State.SCHEDULED: Status.READY,
    State.QUEUED: Status.READY,
    State.WAITING: Status.READY,
    State.RUNNING: Status.RUNNING,
    State.SUCCEEDED: Status.SUCCESSFUL,
    State.FAILED: Status.FAILED,
    State.CANCELLED: Status.FAILED,
}


def set_state(result: "JobResult[..., Any]", state: State) -> None:
    """Set the state of a result's job, and the status that follows from it."""
    object.__setattr__(result, "state", state)
    object.__setattr__(result, "status", STATUS_OF[state])


def set_dropped(result: "JobResult[..., Any]") -> None:
    """Note that a result's job will never be stored."""
    object.__setattr__(result, "is_dropped", True)
    set_state(result, State.CANCELLED)


def set_store_failed(result: "JobResult[..., Any]") -> None:
    """Note that Redis did not confirm a result's job after its commit."""
    object.__setattr__(result, "store_failed", True)


def set_enqueued(result: "JobResult[..., Any]", stored_at: int, expires_at: int | None) -> None:
    """Set when a result's job was stored, and when it expires, in ms since the epoch."""
    object.__setattr__(result, "enqueued_at", moment(stored_at))
    if expires_at is not None:
        object.__setattr__(result, "expires_at", moment(expires_at))


def set_created(result: "JobResult[..., Any]", created: bool | None) -> None:
    """Set whether the call of a result has stored its job."""
    object.__setattr__(result, "created", created)
