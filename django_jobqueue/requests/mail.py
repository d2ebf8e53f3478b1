"""Tell people by mail that their request has ended: once, by a durable job of its own.

The job is enqueued in the transaction that ends the request. Next: mail_text.py writes the mail.
"""

import logging
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError, router, transaction
from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_jobqueue.jobs.context import JobContext
from django_jobqueue.jobs.text import one_line
from django_jobqueue.mail import sending
from django_jobqueue.mail.queued import default_sending_backend
from django_jobqueue.models import Enqueued, LedgerState
from django_jobqueue.requests import conf, mail_text
from django_jobqueue.requests.models import JobRequest, MailState
from django_jobqueue.task import task

logger = logging.getLogger("django_jobqueue")

RUN_TIMEOUT = 60.0  # seconds of one attempt
SERVER_TIMEOUT = 15.0  # seconds for each answer of a mail server, if the settings say none


def notify(job_request: JobRequest) -> None:
    """Enqueue the mail about a request that has just ended, in the transaction that ended it."""
    if job_request.notify:
        _enqueue(job_request, timedelta(seconds=conf.load().mail_delay))


def resend(job_request: JobRequest) -> bool:
    """Enqueue the mail about an ended request again; return whether there will be one.

    It is sent even if the person has seen the result, or wanted no mail.
    """
    with transaction.atomic(using=router.db_for_write(JobRequest)):
        found = _rows().select_for_update(of=("self",)).get(pk=job_request.pk)
        if found.is_final:
            _enqueue(found, None)
    job_request.refresh_from_db()
    return found.is_final and found.mail_state == MailState.QUEUED


@task(
    takes_context=True,
    durable=True,
    max_attempts=sending.ATTEMPTS,
    backoff=sending.pause,
    timeout=RUN_TIMEOUT,
)
def send_mail(context: JobContext, pk: int, even_if_seen: bool) -> None:
    """Send the mail about a request, unless that was done or there is no need any more.

    The row and the mail are in one transaction: who finds the mail sent sends none, and after a
    failed or killed run it still waits. Only a crash between the mail server's answer and the
    commit repeats the mail, with the same Message-ID.
    """
    job_id = context.task_result.id
    with transaction.atomic(using=router.db_for_write(JobRequest)):
        sent = {"mail_state": MailState.SENT, "mail_note": "", "notified_at": timezone.now()}
        if not _waiting(job_id).filter(pk=pk).update(**sent):
            return
        job_request = _rows().get(pk=pk)
        if reason := _obstacle(job_request) or (not even_if_seen and _seen(job_request)):
            _note(job_request, MailState.SKIPPED, reason)
            return
        _backend().send_messages([mail_text.write(job_request, job_id)])


SEND_MAIL = send_mail.module_path


def note_failure(
    sender: type[Enqueued], row: Enqueued, exception: BaseException | None, **kwargs: Any
) -> None:
    """Note in the request that its mail's job has ended without the mail."""
    # The record comes last: it is read only then.
    if row.state in (LedgerState.FAILED, LedgerState.CANCELLED) and SEND_MAIL in row.record:
        reason = row.reason if exception is None else f"{type(exception).__name__}: {exception}"
        failed = _waiting(row.job_id).update(
            mail_state=MailState.FAILED, mail_note=one_line(reason)
        )
        if failed:
            logger.error("The mail of a request was not sent. Its job is %s.", row.job_id)


class Unsent(NamedTuple):
    """The mails that were not sent: the figures to watch."""

    waiting: int  # to be sent, also again
    seconds: float  # since the oldest of their requests has ended
    failed: int  # given up


def unsent() -> Unsent:
    """Return how many mails were not sent."""
    rows = JobRequest.objects.using(router.db_for_write(JobRequest))
    waiting = rows.filter(mail_state=MailState.QUEUED)
    found = waiting.aggregate(many=Count("pk"), oldest=Min("finished_at"))
    age = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    failed = rows.filter(mail_state=MailState.FAILED).count()
    return Unsent(found["many"], max(0.0, age), failed)


def _enqueue(job_request: JobRequest, delay: timedelta | None) -> None:
    """Enqueue the mail's job, or note why there is none.

    An error must not keep the request open, so it is noted too.
    """
    if reason := _obstacle(job_request):
        return _note(job_request, MailState.SKIPPED, reason)
    queue = conf.load().mail_queue
    try:
        call = send_mail.using(backend=job_request.alias, queue_name=queue, run_after=delay)
        result = call.enqueue(job_request.pk, even_if_seen=delay is None)
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("The mail of request %s was not enqueued.", job_request.pk)
        return _note(job_request, MailState.FAILED, one_line(error))
    job_request.mail_job_id = result.id
    _note(job_request, MailState.QUEUED, "")


def _note(job_request: JobRequest, state: MailState, note: str) -> None:
    job_request.mail_state, job_request.mail_note = state, note
    job_request.notified_at = None
    fields = ["mail_state", "mail_note", "mail_job_id", "notified_at"]
    job_request.save(update_fields=fields)


def _obstacle(job_request: JobRequest) -> str:
    """Return why nobody can be told by mail; "": somebody can."""
    owner: Any = job_request.owner
    if owner is None and not job_request.address:
        return _("The person who asked has no account any more, and gave no address.")
    if owner is not None and not owner.is_active:
        return _("The account of the person who asked is not active.")
    return "" if job_request.recipient else _("The person who asked has no e-mail address.")


def _seen(job_request: JobRequest) -> str:
    return "" if job_request.seen_at is None else _("The person saw the result before.")


def _waiting(job_id: Any) -> "QuerySet[JobRequest]":
    """Return the request whose mail this job has to send, also if it has failed to."""
    return JobRequest.objects.using(router.db_for_write(JobRequest)).filter(
        mail_job_id=job_id, mail_state__in=(MailState.QUEUED, MailState.FAILED)
    )


def _rows() -> "QuerySet[JobRequest]":
    database = router.db_for_write(JobRequest)
    return JobRequest.objects.using(database).select_related("owner")


def _backend() -> BaseEmailBackend:
    """Return the project's mail backend; a server that hangs must not hold the transaction."""
    found: Any = default_sending_backend()
    if getattr(found, "timeout", 0.0) is None:
        found.timeout = SERVER_TIMEOUT
    backend: BaseEmailBackend = found
    return backend
