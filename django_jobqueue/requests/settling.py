"""End requests with their jobs, and open them again, in the ledger's own transaction.

Next: mail.py tells the person.
"""

import json
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import router
from django.db.models.signals import post_delete
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.jobs.states import Reason
from django_jobqueue.jobs.text import spelled
from django_jobqueue.models import Enqueued, LedgerState
from django_jobqueue.requests import conf, files, mail, purge
from django_jobqueue.requests.models import JobRequest, RequestState
from django_jobqueue.requests.outcome import PublicError, Told, told
from django_jobqueue.signals import job_reopened, job_settled, maintained

logger = logging.getLogger("django_jobqueue")

FINAL_FIELDS = (
    "state",
    "finished_at",
    "seen_at",
    "withdrawn",
    "notified_at",
    "mail_state",
    "mail_note",
    "result_text",
    "result_url",
    "file",
    "file_expires_at",
    "failures",
    "error_text",
)


def connect() -> None:
    """Connect the receivers to the signals of the ledger and of the table."""
    uid = "django_jobqueue.requests"
    job_settled.connect(settle_requests, sender=Enqueued, dispatch_uid=uid)
    job_settled.connect(mail.note_failure, sender=Enqueued, dispatch_uid=f"{uid}.mail")
    job_reopened.connect(reopen_requests, sender=Enqueued, dispatch_uid=uid)
    maintained.connect(purge.purge_a_while, sender=Enqueued, dispatch_uid=uid)
    post_delete.connect(files.drop_after_delete, sender=JobRequest, dispatch_uid=uid)


def settle_requests(
    sender: type[Enqueued], row: Enqueued, exception: BaseException | None, **kwargs: Any
) -> None:
    """End the open requests of a job as the job has ended, and see to their mails.

    Those of a duplicate follow the job that stands for it, which may have ended meanwhile.
    """
    if row.state == LedgerState.DUPLICATE:
        row = _follow(row)
        if not row.is_final:
            return
    for job_request in _of(row).filter(state=RequestState.OPEN):
        # People read these texts, so they are written in the language of who asked.
        with translation.override(job_request.language or translation.get_language()):
            _settle(job_request, row, exception)
        job_request.save(update_fields=FINAL_FIELDS)
        mail.notify(job_request)


def _follow(duplicate: Enqueued) -> Enqueued:
    """Lead the requests of a duplicate to the job that stands for it; return that one's row."""
    winner = Enqueued.objects.using(duplicate._state.db).get(pk=duplicate.reason)
    _of(duplicate).update(job_id=winner.pk)
    return winner


def reopen_requests(sender: type[Enqueued], row: Enqueued, **kwargs: Any) -> None:
    """Open the requests of a job that runs again, except those whose people have left it."""
    for job_request in _of(row).filter(withdrawn=False).exclude(state=RequestState.OPEN):
        reopen(job_request)


def reopen(job_request: JobRequest) -> None:
    """Open a request again as it was at first; its old file goes when that is committed."""
    files.drop_on_commit(job_request, job_request._state.db)
    blank = JobRequest()
    for name in FINAL_FIELDS:
        setattr(job_request, name, getattr(blank, name))
    job_request.reopened_at = timezone.now()
    job_request.save(update_fields=[*FINAL_FIELDS, "reopened_at"])


def withdraw(job_request: JobRequest) -> None:
    """End a request as cancelled by its person, while its job goes on for others."""
    job_request.state, job_request.withdrawn = RequestState.CANCELLED, True
    job_request.finished_at = timezone.now()
    job_request.save(update_fields=["state", "withdrawn", "finished_at"])


def _of(row: Enqueued) -> Any:
    """Return the requests of a job, which are in the database of its row, or nowhere."""
    if row._state.db != router.db_for_write(JobRequest):
        return JobRequest.objects.none()
    found = JobRequest.objects.using(row._state.db).filter(job_id=row.job_id)
    return found.select_for_update(of=("self",)).select_related("owner").order_by("pk")


def _settle(job_request: JobRequest, row: Enqueued, exception: BaseException | None) -> None:
    job_request.finished_at = row.finished_at or timezone.now()
    if row.state == LedgerState.SUCCEEDED:
        _take_result(job_request, told(json.loads(row.result or "null")))
    elif row.state == LedgerState.CANCELLED:
        job_request.state, job_request.error_text = RequestState.CANCELLED, _("It was cancelled.")
    else:
        job_request.state = RequestState.FAILED
        job_request.error_text = _failure(row.reason, exception)


def _take_result(job_request: JobRequest, result: Told) -> None:
    job_request.state = RequestState.PARTLY if result.is_partial else RequestState.SUCCEEDED
    job_request.result_text = result.text or (_counted(result) if result.total else "")
    if _fits("result_url", result.url):
        job_request.result_url = result.url
    job_request.failures = list(result.failures)
    if result.file and _fits("file", result.file):
        job_request.file.name = result.file
        kept = timedelta(seconds=conf.load().file_retention)
        job_request.file_expires_at = timezone.now() + kept


def _fits(name: str, given: str) -> bool:
    """Return whether the row can hold it: an end that it refuses could never be written."""
    field: Any = JobRequest._meta.get_field(name)
    longest = field.max_length
    if len(given) <= longest:
        return True
    logger.error("A job's %s has %d characters, above %d: left out.", name, len(given), longest)
    return False


def _counted(result: Told) -> str:
    text = ngettext("%(done)d of %(total)d done", "%(done)d of %(total)d done", result.total)
    return text % {"done": result.done, "total": result.total}


def _failure(reason: str, exception: BaseException | None) -> str:
    """Return why a job failed, in words that tell no secrets."""
    if isinstance(exception, PublicError):
        with suppress(
            Exception
        ):  # whatever the project's class does when it is asked for its words
            if said := spelled(str(exception), kept="\n\t"):
                return said
    if reason == Reason.TIMED_OUT:
        return _("It took too long and was stopped.")
    return _("Something went wrong. It is not your fault, and it was noted down.")
