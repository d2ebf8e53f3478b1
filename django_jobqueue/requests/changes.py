"""Change a request: cancel it, retry it, note that its end was seen.

Several requests may share a job, which is cancelled when the last one is.
"""

from uuid import UUID

from django.db import router, transaction
from django.utils import timezone

from django_jobqueue.exceptions import JobNotFound, LockHeld
from django_jobqueue.ledger import rounds, settling, table
from django_jobqueue.models import Enqueued, LedgerState
from django_jobqueue.requests.engines import engine_of
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.settling import reopen, settle_requests, withdraw

FOLLOWED = 10  # times that a request may follow another job while it is locked


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
                rounds.requeue(engine_of(found.alias), str(found.job_id))
    except JobNotFound:
        return False
    except LockHeld as error:
        return _join(found, UUID(error.holder))
    return True


def retry_for_person(job_request: JobRequest) -> bool:
    """Retry for who asked: it counts for that person's limits, as a submission does."""
    if not retry(job_request):
        return False
    JobRequest.objects.filter(pk=job_request.pk).update(tried_at=timezone.now())
    return True


def _join(job_request: JobRequest, holder: UUID) -> bool:
    """Let a request wait for the job that does the same by now; return whether it can."""
    database = router.db_for_write(JobRequest)
    with transaction.atomic(using=database):
        rows = Enqueued.objects.using(database).select_for_update()
        if not rows.filter(pk=holder, state=LedgerState.OPEN).exists():
            return False
        job_request.job_id = holder
        job_request.save(update_fields=["job_id"])
        reopen(job_request)
    return True


def _cancel_job(job_request: JobRequest) -> bool:
    """Cancel the job; write its end at once if it has ended, and not when a worker notices."""
    engine, job_id = engine_of(job_request.alias), str(job_request.job_id)
    if engine.locks.stands_for(job_id):  # others wait for that job, which it is about to follow
        withdraw(job_request)
        return True
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
    job_id = _job_id(job_request)
    if job_id is None or engine_of(job_request.alias).options.database != database:
        return None
    return table.row(database, str(job_id)).select_for_update().first()


def _locked(job_request: JobRequest) -> tuple[JobRequest, list[JobRequest]]:
    """Return a request as it is now, and the others of its job; all are locked, in their order.

    Raises: JobRequest.DoesNotExist.
    """
    rows = JobRequest.objects.using(router.db_for_write(JobRequest))
    for _ in range(FOLLOWED):  # it may have followed another job since that was read
        sharing = rows.filter(job_id=_job_id(job_request)).select_for_update().order_by("pk")
        found = {row.pk: row for row in sharing}
        if job_request.pk in found:
            return found.pop(job_request.pk), list(found.values())
    raise JobRequest.DoesNotExist


def _job_id(job_request: JobRequest) -> UUID | None:
    """Return which job it waits for now: it may have followed another one."""
    rows = JobRequest.objects.using(router.db_for_write(JobRequest))
    return rows.values_list("job_id", flat=True).get(pk=job_request.pk)
