"""Change a stored job that does not run: its arguments, its priority."""

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
        state, done = _found(job_id, self._run("prioritize", id=job_id, priority=priority))
        return None if done else STATE_OF.get(state, State.FAILED)


def _found(job_id: str, reply: Any) -> Any:
    if not reply:
        raise JobNotFound(f"There is no job {job_id}.")
    return reply
