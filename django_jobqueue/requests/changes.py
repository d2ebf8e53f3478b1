"""Change a request: cancel it, retry it, note that its end was seen.

Several requests may share a job, which is cancelled when the last one is.
"""

from django.db import router, transaction
from django.utils import timezone

from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.ledger import rounds, settling, table
from django_jobqueue.models import Enqueued, LedgerState
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.settling import reopen, settle_requests, withdraw


def note_seen(job_request: JobRequest) -> None:
    """Note the first time that who asked sees the end; nobody else's look counts."""
    if job_request.is_final and job_request.is_own and job_request.seen_at is None:
        now = timezone.now()
        JobRequest.objects.filter(pk=job_request.pk, seen_at=None).update(seen_at=now)
        job_request.seen_at = now


def cancel(job_request: JobRequest) -> bool:
    """Cancel a request; return whether it was still open.

    A running job is told to end, and may still succeed or fail first.
    Raises: QueueUnavailable.
    """
    with transaction.atomic(using=router.db_for_write(JobRequest)):
        found, others = _locked(job_request)
        if found.is_final:
            return False
        if not all(other.is_final for other in others):
            withdraw(found)
            return True
    return _cancel_job(found)


def retry(job_request: JobRequest) -> bool:
    """Run the job of a request again that did not succeed; return whether that was possible.

    Who has left a job that goes on joins it again, and is told its result if it has succeeded.
    Raises: QueueUnavailable.
    """
    try:
        with transaction.atomic(using=router.db_for_write(JobRequest)):
            row = _locked_row(job_request)  # first, as whoever ends the job does
            found, others = _locked(job_request)
            if not found.can_retry or found.job_id is None:
                return False
            if found.withdrawn:
                reopen(found)
                if row is not None and row.state == LedgerState.SUCCEEDED:
                    settle_requests(Enqueued, row, None)
                    return True
            if all(other.is_final for other in others):  # else the job goes on for them
                rounds.requeue(get_engine(found.alias), str(found.job_id))
    except JobNotFound:
        return False
    return True


def _cancel_job(job_request: JobRequest) -> bool:
    """Cancel the job; write its end at once if it has ended, and not when a worker notices."""
    engine, job_id = get_engine(job_request.alias), str(job_request.job_id)
    try:
        state = rounds.cancel(engine, job_id)
    except JobNotFound:
        return False
    if state.is_final:
        note = engine.unsettled.held([job_id]).get(job_id)
        if note is not None and note.state.is_final:  # it may have been requeued a moment ago
            settling.settle(engine, note)
        _end_with_row(job_request)
    return True


def _end_with_row(job_request: JobRequest) -> None:
    """End a request that is open though the row of its job is final."""
    with transaction.atomic(using=router.db_for_write(JobRequest)):
        row = _locked_row(job_request)
        if row is not None and row.is_final:
            settle_requests(Enqueued, row, None)


def _locked_row(job_request: JobRequest) -> Enqueued | None:
    """Return the row of its job, which can't end until the open transaction does."""
    database = router.db_for_write(JobRequest)
    if job_request.job_id is None or get_engine(job_request.alias).options.database != database:
        return None
    return table.row(database, str(job_request.job_id)).select_for_update().first()


def _locked(job_request: JobRequest) -> tuple[JobRequest, list[JobRequest]]:
    """Return a request as it is now, and the others of its job; all are locked, in their order."""
    rows = JobRequest.objects.using(router.db_for_write(JobRequest))
    sharing = rows.filter(job_id=job_request.job_id).select_for_update().order_by("pk")
    found = {row.pk: row for row in sharing}
    return found.pop(job_request.pk), list(found.values())
