"""Requeue, cancel and delete jobs, durable ones by their rows: what Redis has lost too.

A requeue opens the row for one more round, and Redis gets that round after the commit.
"""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import RoundNeeded, ValueUnsettled
from django_jobqueue.engine.unsettled import Note
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.flow import debounce
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import DUPLICATE, State
from django_jobqueue.ledger import outbox
from django_jobqueue.ledger.changes import close, final_state, reopen
from django_jobqueue.ledger.record import job_of
from django_jobqueue.ledger.settling import Settling, exception_of, settle
from django_jobqueue.ledger.table import has_row, open_row
from django_jobqueue.ledger.table import row as row_of

if TYPE_CHECKING:
    from django_jobqueue.models import Enqueued


def requeue(engine: Engine, job_id: str, nonce: str = "") -> State:
    """Run a final job again from the start, or a scheduled one now; return its state.

    A caller that repeats the call passes the same nonce: see `Jobs.requeue`. A durable job can be
    requeued after Redis has trimmed or lost it, as long as its row is kept. A duplicate leads to
    the job that stands for it.
    Raises: JobNotFound, LockHeld, MemberHeld, QueueUnavailable.
    """
    known = 0
    try:
        return engine.jobs.requeue(job_id, nonce=nonce)
    except RoundNeeded as needed:
        known = needed.round
        _settle_end(engine, job_id)
    except JobNotFound:
        if not has_row(engine.options.database, engine.alias, job_id):
            raise
        # It may have been deleted a moment ago, which its row does not tell yet.
        Settling(engine, tidy=lambda: None).settle_all(still=lambda: None)
    database = engine.options.database
    with transaction.atomic(using=database):
        row = row_of(database, job_id).select_for_update().first()
        if row is None and not known:
            raise JobNotFound(f"There is no job {job_id}.")
        if row is None:  # its retention is over, but not that of the job: its run adds a new one
            return engine.jobs.requeue(job_id, round=known + 1)
        if row.state == DUPLICATE:
            return requeue(engine, row.reason)
        if row.is_final:
            reopen(row, max(row.round, known) + 1)
        transaction.on_commit(partial(_store_again, engine, row), using=database, robust=True)
    return State.QUEUED


def cancel(engine: Engine, job_id: str, reason: str = "cancelled") -> State:
    """Cancel a job, or tell a running one to end; return its state.

    A durable job that Redis does not hold, or never got, is cancelled in the ledger.
    Raises: JobNotFound, QueueUnavailable.
    """
    try:
        return engine.jobs.cancel(job_id, reason)
    except (JobNotFound, QueueUnavailable) as error:
        if not has_row(engine.options.database, engine.alias, job_id):
            raise
        unknown = isinstance(error, JobNotFound)
        found = _cancel_row(engine, job_id, reason, whatever=unknown)
        if found is None:
            raise
        return found


def delete(engine: Engine, job_id: str) -> State | None:
    """Remove a job with all its keys unless it is running; return its state if it stays.

    The value of a durable job is written to its row first.
    Raises: JobNotFound, QueueUnavailable, ValueUnsettled.
    """
    try:
        return None if engine.jobs.delete(job_id) else State.RUNNING
    except ValueUnsettled:
        held = _settle_end(engine, job_id)
        if held is not None:
            engine.unsettled.drop([held.member])
    return None if engine.jobs.delete(job_id) else State.RUNNING


def store(engine: Engine, row: "Enqueued") -> Job | None:
    """Give Redis a job in the round of its row, whether Redis holds it or not; return the job.

    None: it waits for a job that holds its lock and is not in the ledger.
    Raises: LockHeld, QueueUnavailable; ValueError if the row's record can't be read.
    """
    job = job_of(row)
    with suppress(JobNotFound):
        engine.jobs.requeue(job.id, round=row.round)
    # For a job that Redis holds, this completes what a call that broke has stored of it.
    (at,) = engine.jobs.enqueue([job])
    return job if debounce.deliver(engine, job, at) else None


def _store_again(engine: Engine, row: "Enqueued") -> None:
    """Store a job of an opened row after the commit; if that fails, a worker does so."""
    if job := store(engine, row):
        outbox.accept(engine, [job])


def _settle_end(engine: Engine, job_id: str) -> Note | None:
    """Write the end of a job to its row, if the row does not tell it yet; return how it stands."""
    held = engine.unsettled.held([job_id]).get(job_id)
    if held is not None and held.state.is_final:
        settle(engine, held)
    return held


def _cancel_row(engine: Engine, job_id: str, reason: str, *, whatever: bool) -> State | None:
    """Cancel an open row: `whatever`, or only if Redis never got its job; return its state."""
    database = engine.options.database
    with transaction.atomic(using=database):
        row = row_of(database, job_id).select_for_update().first()
        if row is None or (row.accepted_at is not None and not whatever):
            return None
        if not row.is_final:
            close(
                open_row(database, job_id, row.round),
                {"job_id": row.job_id, "alias": row.alias, "round": row.round},
                state=State.CANCELLED,
                reason=reason,
                exception=exception_of(State.CANCELLED, reason),
            )
            return State.CANCELLED
    return final_state(row)
