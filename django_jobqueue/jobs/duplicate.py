"""What a caller is told if another job stands for its own, because that one holds the lock."""

from typing import TYPE_CHECKING, NamedTuple

from django_jobqueue.jobs.states import STATE_OF, State
from django_jobqueue.jobs.text import text

if TYPE_CHECKING:
    from django_jobqueue.jobs.job import Job


class Duplicate(NamedTuple):
    """The job that stands for another one."""

    id: str
    state: State
    number: int = 0  # under which the call may take its place; 0: it is settled


def stored_at(job: "Job", reply: bytes) -> int:
    """Return when a job was stored, or the one that stands for it, which is noted; 0: not yet.

    `reply` is that of `store_jobs` (see lua/shared/storing.lua) about a unique job.
    """
    at, *more = text(reply).split(" ")
    job.duplicate = None
    if more and at != "0":
        state = STATE_OF.get(more[1].encode(), State.FAILED)
        job.duplicate = Duplicate(more[0], state, int(more[2]))
    return int(at)
