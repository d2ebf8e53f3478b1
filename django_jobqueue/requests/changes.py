"""Change a request: cancel it, retry it, note that its end was seen.

Several requests may share a job, which is cancelled when the last one is.
"""

from uuid import UUID

from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import JobNotFound, LockHeld
from django_jobqueue.ledger import rounds, settling
from django_jobqueue.models import Enqueued, LedgerState
from django_jobqueue.requests.models import JobRequest, RequestState
from django_jobqueue.requests.settling import reopen, withdraw


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
        sharing = {row.pk: row for row in _sharing(job_request).select_for_update().order_by("pk")}
        found = sharing.pop(job_request.pk)
        if found.is_final:
            return False
        if not all(row.is_final for row in sharing.values()):
            withdraw(found)
            return True
    return _cancel_job(found)


def retry(job_request: JobRequest) -> bool:
    """Run the job of a request again that did not succeed; return whether that was possible.

    Raises: QueueUnavailable.
    """
    found = _sharing(job_request).get(pk=job_request.pk)
    if not found.can_retry or found.job_id is None:
        return False
    others = _sharing(found).exclude(pk=found.pk).filter(state=RequestState.OPEN)
    try:
        with transaction.atomic(using=router.db_for_write(JobRequest)):
            if found.withdrawn:
                reopen(found)
            if not others.exists():  # else the job goes on for them
                rounds.requeue(get_engine(found.alias), str(found.job_id))
    except JobNotFound:
        return False
    except LockHeld as error:
        return _join(found, UUID(error.holder))
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
    engine, job_id = get_engine(job_request.alias), str(job_request.job_id)
    if engine.locks.stands_for(job_id):  # others wait for that job, which it is about to follow
        withdraw(job_request)
        return True
    try:
        state = rounds.cancel(engine, job_id)
    except JobNotFound:
        return False
    note = engine.unsettled.held([job_id]).get(job_id) if state.is_final else None
    if note is not None:
        settling.settle(engine, note)
    return True


def _sharing(job_request: JobRequest) -> "QuerySet[JobRequest]":
    """Return the requests of its job, itself among them, as they are now."""
    rows = JobRequest.objects.using(router.db_for_write(JobRequest))
    return rows.filter(job_id=rows.values_list("job_id", flat=True).get(pk=job_request.pk))
