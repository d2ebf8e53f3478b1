"""Take what a person asks for: store the request and its job together, and answer.

Next: answers.py answers; settling.py ends the request with its job.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import DisallowedHost, ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils import timezone, translation

from django_jobqueue import compat
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Enqueued
from django_jobqueue.requests import answers, estimates, limits, persons, settling
from django_jobqueue.requests.models import LONGEST_BASE_URL, LONGEST_TITLE, JobRequest
from django_jobqueue.task import as_task


class BadAddress(ValidationError):
    """An anonymous person has given an address that is none."""


def submit(
    request: HttpRequest,
    task: "compat.Task[..., Any]",
    *args: Any,
    title: str = "",
    notify: bool | None = None,
    address: str = "",
    **kwargs: Any,
) -> HttpResponse:
    """Enqueue a job for the person of a web request, and return the answer to it.

    `notify`: send a mail at the end; None: if the person has an address. `address` is that of an
    anonymous person; a user's is the account's. The answer's `job_request` is the stored request.
    Raises: ValidationError for an address that is none.
    """
    try:
        with submission(request, address) as person:
            job_request = store(request, person, task, args, kwargs, title=title, notify=notify)
    except limits.LimitReached as reached:
        return answers.refusal(request, reached)
    return answers.to_submission(request, job_request)


@contextmanager
def submission(request: HttpRequest, address: str = "") -> Iterator[persons.Person]:
    """Open the transaction of a submission, and yield the person, who may submit one.

    Raises: LimitReached, BadAddress.
    """
    person = persons.of(request, address)
    if person.address:
        _check_address(person.address)
    with transaction.atomic(using=router.db_for_write(JobRequest)):
        limits.check(person)
        yield person


def store(
    request: HttpRequest,
    person: persons.Person,
    task: "compat.Task[..., Any]",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    title: str = "",
    notify: bool | None = None,
) -> JobRequest:
    """Store a request and its job in the open transaction; see `submit`."""
    result = as_task(task).using(durable=True).enqueue(*args, **(kwargs or {}))
    job_request = JobRequest(
        owner=person.user,
        address=person.address,
        ip=None if person.user else person.ip,
        task=task.module_path,
        title=_title(str(title) or _title_of(task)),
        alias=task.backend,
        queue=task.queue_name,
        job_id=result.id,
        expected=estimates.expected(task.module_path),
        language=translation.get_language() or "",
        zone=timezone.get_current_timezone_name(),
        base_url=_base_url(request),
    )
    job_request.notify = bool(job_request.recipient) if notify is None else notify
    job_request.save()
    if (
        result.state.is_final
    ):  # in tests: EagerBackend has run it, before there was a request to end
        rows = Enqueued.objects.using(job_request._state.db)
        settling.settle_requests(Enqueued, rows.get(pk=result.id), None)
        job_request.refresh_from_db()
    job_request.is_own = True
    return job_request


def _check_address(address: str) -> None:
    """Raise BadAddress if a mail can't be sent to the address, or the row can't hold it."""
    try:
        validate_email(address)
        MaxLengthValidator(JobRequest._meta.get_field("address").max_length)(address)
    except ValidationError as error:
        raise BadAddress(error.messages) from error


def _title(given: str) -> str:
    """Return a title in one line, which each database takes and no mail can be forged with."""
    shown = " ".join(one_line(given).split())
    return shown if len(shown) <= LONGEST_TITLE else shown[: LONGEST_TITLE - 1] + "…"


def _base_url(request: HttpRequest) -> str:
    """Return the address of the site, for mails.

    Raises: DisallowedHost for one that no site has, if the settings allow any host.
    """
    url = request.build_absolute_uri(get_script_prefix())
    if len(url) > LONGEST_BASE_URL:
        raise DisallowedHost(f"The address of the site has {len(url)} characters.")
    return url


def _title_of(task: "compat.Task[..., Any]") -> str:
    """Return the name of the task's function in words."""
    return str(task.module_path).rpartition(".")[2].replace("_", " ").capitalize()
