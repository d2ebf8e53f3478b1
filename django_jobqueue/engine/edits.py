"""Change a stored job that does not run: its arguments, its priority, its queue."""

from typing import Any

from django_jobqueue.engine.client import Client
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.states import STATE_OF, State


class Edits:
    """Change the jobs of one alias."""

    def __init__(self, client: Client) -> None:
        self._run = client.run

    def edit(self, job_id: str, old: bytes, new: bytes) -> bool:
        """Give a job that does not run another payload than it had; return whether it has it now.

        Raises: JobNotFound.
        """
        return bool(_found(job_id, self._run("edit", id=job_id, old=old, new=new))[1])

    def prioritize(self, job_id: str, priority: int) -> State | None:
        """Give a queued or scheduled job a priority; return its state if it is in another one.

        Raises: JobNotFound.
        """
        return _refusal(_found(job_id, self._run("prioritize", id=job_id, priority=priority)))

    def move(self, job_id: str, queue: str) -> State | None:
        """Put a job that waits into another queue; return its state if it does not wait.

        Raises: JobNotFound.
        """
        return _refusal(_found(job_id, self._run("move", id=job_id, queue=queue)))


def _found(job_id: str, reply: Any) -> Any:
    if not reply:
        raise JobNotFound(f"There is no job {job_id}.")
    return reply


def _refusal(reply: Any) -> State | None:
    state, done = reply
    return None if done else STATE_OF.get(state, State.FAILED)
