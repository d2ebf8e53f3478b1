"""Write the mail about the end of a request, in the language and time zone of who asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.core.mail import DNS_NAME, EmailMessage, EmailMultiAlternatives
from django.template import TemplateDoesNotExist
from django.template.loader import select_template
from django.utils import timezone, translation
from django.utils.translation import get_language

from django_jobqueue.requests.models import JobRequest

FOLDER = "django_jobqueue_requests"
LONGEST_SUBJECT = 150


def write(job_request: JobRequest, job_id: str) -> EmailMessage:
    """Return the mail about a request, which has the same Message-ID whenever this job sends it."""
    with _as_its_person(job_request):
        context = _context(job_request)
        texts = [_render(job_request, name, context) for name in ("subject.txt", "body.txt")]
        message = EmailMultiAlternatives(
            subject=" ".join(texts[0].split())[:LONGEST_SUBJECT],
            body=texts[1].strip() + "\n",
            to=[job_request.recipient],
            headers={
                "Message-ID": f"<{job_id}@{_domain(job_request)}>",
                "Auto-Submitted": "auto-generated",
                "Content-Language": get_language() or "",
            },
        )
        if html := _html(job_request, context):
            message.attach_alternative(html, "text/html")
    return message


def _context(job_request: JobRequest) -> dict[str, Any]:
    owner: Any = job_request.owner
    return {
        "job_request": job_request,
        "url": job_request.url,
        "name": owner.get_short_name() or owner.get_username() if owner else "",
        "site": urlsplit(job_request.base_url).netloc,
    }


def _render(job_request: JobRequest, name: str, context: dict[str, Any]) -> str:
    """Return what the task's own template says, or else the default one."""
    names = [f"{FOLDER}/{job_request.task}/mail/{name}", f"{FOLDER}/mail/{name}"]
    return str(select_template(names).render(context))


def _html(job_request: JobRequest, context: dict[str, Any]) -> str:
    """Return the HTML; "" for a task that has a text of its own and no HTML."""
    folder = f"{FOLDER}/{job_request.task}/mail"
    names = [f"{folder}/body.html"]
    if not _template(f"{folder}/body.txt"):
        names.append(f"{FOLDER}/mail/body.html")
    template = _template(*names)
    return str(template.render(context)) if template else ""


def _template(*names: str) -> Any:
    """Return the first of these templates that exists; None if none does."""
    try:
        return select_template(names)
    except TemplateDoesNotExist:
        return None


def _domain(job_request: JobRequest) -> str:
    """Return the name of the site: that of this machine may be another at the next attempt."""
    host = urlsplit(job_request.base_url).hostname or str(DNS_NAME)
    return f"[{host}]" if ":" in host else host


@contextmanager
def _as_its_person(job_request: JobRequest) -> Iterator[None]:
    """Activate the language and the time zone of the person."""
    language = job_request.language or get_language()
    with translation.override(language), timezone.override(_zone(job_request.zone)):
        yield


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # such as "+02", of a middleware of the project
        return timezone.get_default_timezone()
