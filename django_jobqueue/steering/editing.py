"""Give a job other arguments, signed anew, and run it again if it is final."""

from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.signature import check_call
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.ledger import rounds
from django_jobqueue.ledger.editing import edit


def edit_and_requeue(
    engine: Engine, job: Job, task: Any, args: list[Any], kwargs: dict[str, Any]
) -> bool:
    """Give a job, as it was read and opened, another call; return whether it has it now.

    A final job is then requeued; one that waits keeps its place.
    Raises: TypeError, PayloadTooLarge if the call can't be stored; JobNotFound, QueueUnavailable.
    """
    if job.flow:
        raise TypeError("the job belongs to a workflow, whose results are among its arguments.")
    check_call(task, args, kwargs)
    payload = _sealed(engine.signer, job, args, kwargs, engine.options.max_payload)
    if not edit(engine, job, payload):
        return False
    if job.state.is_final:
        rounds.requeue(engine, job.id)
    return True


def _sealed(signer: Signer, job: Job, args: list[Any], kwargs: dict[str, Any], cap: int) -> bytes:
    """Return the signed payload of another call of a job, with the job's metadata."""
    other = Job(job.id, job.task)
    other.args, other.kwargs, other.metadata = args, kwargs, job.metadata
    other.seal(signer, cap)
    return other.payload or b""
