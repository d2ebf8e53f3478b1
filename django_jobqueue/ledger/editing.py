"""Give a job other arguments or another queue, a durable one in its row too."""

from django.db import transaction

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger.record import with_payload, with_queue
from django_jobqueue.ledger.table import row as row_of
from django_jobqueue.ledger.table import rows


def edit(engine: Engine, job: Job, payload: bytes) -> bool:
    """Give a job, as it was read, another payload; return whether it has it now.

    It has not if the job runs, or was edited by somebody else.
    Raises: JobNotFound, QueueUnavailable.
    """
    old = job.payload or b""
    if not job.round:
        return engine.edits.edit(job.id, old, payload)
    database = engine.options.database
    with transaction.atomic(using=database):
        row = row_of(database, job.id).select_for_update().first()
        if row is not None:
            rows(database).filter(pk=row.pk).update(record=with_payload(row, payload))
        is_done = engine.edits.edit(job.id, old, payload)
        if not is_done:
            transaction.set_rollback(True, using=database)
    return is_done


def move(engine: Engine, job_id: str, queue: str) -> State | None:
    """Put a job that waits into another queue; return its state if it does not wait.

    Raises: JobNotFound, QueueUnavailable.
    """
    held = engine.unsettled.held([job_id]).get(job_id)
    if held is None or not held.round:
        return engine.edits.move(job_id, queue)
    database = engine.options.database
    with transaction.atomic(using=database):
        row = row_of(database, job_id).select_for_update().first()
        if row is not None:
            rows(database).filter(pk=row.pk).update(record=with_queue(row, queue))
        state = engine.edits.move(job_id, queue)
        if state is not None:
            transaction.set_rollback(True, using=database)
    return state
