"""The locks of unique jobs: who holds one, and which job stands for a call."""

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.job import Job, is_id
from django_jobqueue.jobs.text import text


class Locks:
    """The locks of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run

    def holder(self, digest: str) -> str:
        """Return the id of the job that took the lock of a key last; "" if none has it.

        Whether it still holds it, its record says.
        """
        key = self._client.keys("unique")
        (found,) = self._client.read(lambda pipe: pipe.hget(key, digest))
        return text(found or b"").partition(" ")[0]

    def stands_for(self, job_id: str) -> str:
        """Return the id of the job that stands for a call with this id; "" if none does."""
        key = self._client.keys("duplicate", job_id)
        (found,) = self._client.read(lambda pipe: pipe.get(key))
        return winner if is_id(winner := text(found or b"")) else ""

    def replace(self, job: Job, waiting: str, number: int, payload: bytes) -> bool:
        """Give a waiting job the arguments of a later call; return whether it still waited.

        `payload` is signed for the waiting job, and `number` is what the enqueue of `job` returned.
        Raises: QueueUnavailable.
        """
        is_told = job.unique.count(" ") > 1
        done = self._run(
            "replace",
            id=waiting,
            number=number,
            unique=job.unique,
            expires=job.expires,
            payload=payload,
            caller=job.id if is_told else "",
        )
        return bool(done)
