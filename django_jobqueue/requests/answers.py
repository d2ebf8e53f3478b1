"""Answer web requests about job requests: as a page, as JSON, or as a fragment for htmx."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_jobqueue.jobs.result import JobResult
from django_jobqueue.requests.limits import LimitReached
from django_jobqueue.requests.models import JobRequest


def to_submission(
    request: HttpRequest, job_request: JobRequest, result: JobResult[..., Any]
) -> HttpResponse:
    """Return the answer to a submission."""
    answer = HttpResponseRedirect(job_request.get_absolute_url())
    answer.status_code = 303
    answer.job_request = job_request  # type: ignore[attr-defined]
    return answer


def refusal(request: HttpRequest, reached: LimitReached) -> HttpResponse:
    """Return the answer to a person who asks for too much."""
    return HttpResponse(str(reached), status=429, headers={"Retry-After": str(reached.retry_after)})
