"""Give a job other arguments, signed anew, and run it again if it is final."""

from typing import Any

from django_jobqueue.compat import InvalidTask
from django_jobqueue.engine import Engine
from django_jobqueue.flow import limits, unique
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
    Raises: TypeError, PayloadTooLarge, InvalidTask if the call can't be stored; JobNotFound,
        QueueUnavailable.
    """
    if job.flow:
        raise TypeError("the job belongs to a workflow, whose results are among its arguments.")
    check_call(task, args, kwargs)
    _check_keys(job, task, args, kwargs)
    payload = _sealed(engine.signer, job, args, kwargs, engine.options.max_payload)
    if not edit(engine, job, payload):
        return False
    if job.state.is_final:
        rounds.requeue(engine, job.id)
    return True


def _check_keys(job: Job, task: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Raise InvalidTask for a call with other keys, because a job keeps those that it was given."""
    if not job.limits and not job.unique and not job.fair:
        return
    after = _keys(task, args, kwargs)
    try:
        before = _keys(task, job.args, job.kwargs)
    except (TypeError, InvalidTask):  # the function has changed since
        return
    if before != after:
        raise InvalidTask(
            f"{job.task}: with these arguments the job would have another key of its limits, of "
            "fairness, or as a unique job, and a job keeps its keys: cancel this one and enqueue "
            "another."
        )


def _keys(task: Any, args: Any, kwargs: Any) -> set[str]:
    """Return the keys of a call."""
    call = Job("", task.module_path)
    call.args, call.kwargs = args, kwargs
    limits.fill(call, task)
    found = {word.partition(":")[2] for word in call.limits} | {f"fair {call.fair}"}
    spec = getattr(task, "unique", None)
    return found if spec is None else {*found, unique.key_of(task, spec, args, kwargs)}


def _sealed(signer: Signer, job: Job, args: list[Any], kwargs: dict[str, Any], cap: int) -> bytes:
    """Return the signed payload of another call of a job, with the job's metadata."""
    other = Job(job.id, job.task)
    other.args, other.kwargs, other.metadata = args, kwargs, job.metadata
    other.seal(signer, cap)
    return other.payload or b""
