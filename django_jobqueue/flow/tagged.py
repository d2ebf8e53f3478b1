"""Cancel all jobs of a tag."""

from typing import TYPE_CHECKING, Any

from django_jobqueue import compat
from django_jobqueue.jobs.envelope import check_tag

if TYPE_CHECKING:
    from django_jobqueue.engine.tags import Cancelled


def cancel_tagged(
    tag: str, *, backend: str = compat.DEFAULT_TASK_BACKEND_ALIAS, reason: str = "cancelled"
) -> "Cancelled":
    """Cancel all jobs of a tag; return how many were `cancelled`, and how many running ones `told`.

    A running job is interrupted (JobCancelled), as by `JobResult.cancel`. Jobs that are stored
    after this call began are left alone.
    Raises: InvalidTask for what can't be a tag, QueueUnavailable.
    """
    check_tag(tag, "cancel_tagged")
    found: Any = compat.task_backends[backend]
    result: Cancelled = found.cancel_tagged(tag, reason)
    return result
