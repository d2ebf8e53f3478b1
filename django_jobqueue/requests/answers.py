"""Answer web requests: with a page, with JSON, or with a fragment of a page for htmx."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from django_jobqueue.requests import changes, conf, prefer, status, waiting
from django_jobqueue.requests.limits import LimitReached
from django_jobqueue.requests.models import JobRequest

FOLDER = "django_jobqueue_requests"  # of the templates


class SeeOther(HttpResponseRedirect):
    """Lead to another address, which is asked for by GET."""

    status_code = 303


class Shape(Enum):
    """What a client wants its answer to be."""

    PAGE = "page"
    FRAGMENT = "fragment"
    JSON = "json"


def shape_for(request: HttpRequest) -> Shape:
    """Return what the headers of a web request ask for."""
    if request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers:
        return Shape.FRAGMENT
    wanted = request.get_preferred_type(["text/html", "application/json"])
    return Shape.JSON if wanted == "application/json" else Shape.PAGE


def to_submission(request: HttpRequest, job_request: JobRequest) -> HttpResponse:
    """Answer a submission: with the result if it is there within a moment, else with its page."""
    preference = prefer.of(request)
    waiting.until_final(job_request, preference.patience(conf.load().wait_for))
    if shape_for(request) is Shape.JSON:
        answer = _accepted(job_request)
        changes.note_seen(job_request)
    else:
        if not job_request.is_final:
            text = _("“%(title)s” is on its way.") % {"title": job_request.title}
            messages.success(request, text, fail_silently=True)
        answer = see(job_request)
    preference.note(answer)
    answer.job_request = job_request  # type: ignore[attr-defined]
    return answer


def to_look(request: HttpRequest, job_request: JobRequest) -> HttpResponse:
    """Answer with how a request stands; a client of the JSON may ask to wait for its end."""
    shape = shape_for(request)
    if shape is Shape.JSON:
        preference = prefer.of(request)
        waiting.until_final(job_request, preference.patience(0))
        answer: HttpResponse = _as_json(status.of(job_request))
        preference.note(answer)
    else:
        answer = _rendered(request, shape, status.of(job_request))
    patch_vary_headers(answer, ["Accept", "HX-Request", "HX-Boosted"])
    return answer


def to_change(request: HttpRequest, job_request: JobRequest, text: str, code: int) -> HttpResponse:
    """Answer a cancellation or a retry; `code` is 200 if it was possible."""
    if shape_for(request) is Shape.JSON:
        job_request.refresh_from_db()
        answer = _as_json(status.of(job_request))
        answer.status_code = code
        return answer
    level = messages.SUCCESS if code == 200 else messages.WARNING
    messages.add_message(request, level, text, fail_silently=True)
    return see(job_request)


def refusal(request: HttpRequest, reached: LimitReached) -> HttpResponse:
    """Answer a person who asks for too much."""
    answer = _fault(request, "limited", 429, str(reached))
    answer.headers["Retry-After"] = str(reached.retry_after)
    return answer


def gone(request: HttpRequest) -> HttpResponse:
    """Answer with 410: the link was right once."""
    return _fault(request, "gone", 410, _("This link has expired."))


def see(job_request: JobRequest) -> HttpResponse:
    """Lead to the page of a request, by GET whatever was sent."""
    return SeeOther(job_request.get_absolute_url())


def promise(job_request: JobRequest) -> str:
    """Return what the person may expect of a request that goes on."""
    if job_request.is_own and job_request.notify and job_request.recipient:
        text = _("We’ll e-mail you at %(address)s when it is done. You can close this page.")
        return text % {"address": job_request.recipient}
    return _("You can close this page: the work goes on without it.")


def panels(job_request: JobRequest) -> list[str]:
    """Return the templates that may show a request: that of its task first."""
    return [f"{FOLDER}/{job_request.task}/panel.html", f"{FOLDER}/panel.html"]


def _accepted(job_request: JobRequest) -> HttpResponse:
    """Return the JSON answer to a submission: 200 with the result, or 202 with where to look."""
    answer = _as_json(status.of(job_request))
    if not job_request.is_final:
        answer.status_code = 202
    answer.headers["Location"] = job_request.get_absolute_url()
    return answer


def _as_json(found: status.Status) -> JsonResponse:
    answer = JsonResponse(found.as_json())
    if not found.done:
        answer.headers["Retry-After"] = str(found.retry_after)
    return answer


def _rendered(request: HttpRequest, shape: Shape, found: status.Status) -> HttpResponse:
    context = {
        "job_request": found.job_request,
        "status": found,
        "promise": promise(found.job_request),
        "panels": panels(found.job_request),
        "is_fragment": shape is Shape.FRAGMENT,
    }
    return render(request, f"{FOLDER}/{shape.value}.html", context)


def _fault(request: HttpRequest, template: str, code: int, text: str) -> HttpResponse:
    if shape_for(request) is Shape.JSON:
        return JsonResponse({"error": {"code": template, "message": text}}, status=code)
    context: Mapping[str, Any] = {"text": text}
    return render(request, f"{FOLDER}/{template}.html", context, status=code)
