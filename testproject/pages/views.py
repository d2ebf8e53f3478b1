"""The page that takes a path and shows the results of this browser's last checks."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from django_jobqueue import QueueUnavailable
from django_jobqueue.compat import TaskResultDoesNotExist
from pages.forms import PathForm
from pages.tasks import is_page_ok

KEPT = 8  # checks per session


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its result."""

    path: str
    text: str
    done: bool


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def checks(request: HttpRequest) -> HttpResponse:
    """Accept a path, and show the last checks of this session only."""
    form = PathForm(request.POST) if request.method == "POST" else PathForm()
    if form.is_valid() and _enqueue(request, form):
        return redirect("pages:checks")
    found = _checks(request)
    context = {"form": form, "checks": found, "done": all(check.done for check in found)}
    return render(request, "pages/checks.html", context)


def _enqueue(request: HttpRequest, form: PathForm) -> bool:
    """Enqueue the check and store it in the session; if that fails, add an error to the form."""
    try:
        result = is_page_ok.enqueue(form.cleaned_data["url"])
    except QueueUnavailable:
        form.add_error(None, "The queue can't be reached at the moment. Try again in a minute.")
        return False
    newest = [result.id, form.cleaned_data["path"]]
    request.session["checks"] = [newest, *request.session.get("checks", [])][:KEPT]
    return True


@require_GET
@never_cache
def status(request: HttpRequest) -> JsonResponse:
    """Return to the page's script whether all checks are done."""
    waiting = [check for check in _checks(request) if not check.done]
    return JsonResponse({"done": not waiting, "text": f"{len(waiting)} to be checked …"})


def _checks(request: HttpRequest) -> list[Check]:
    return [_check(job_id, path) for job_id, path in request.session.get("checks", [])]


def _check(job_id: str, path: str) -> Check:
    try:
        job = is_page_ok.get_result(job_id)
    except TaskResultDoesNotExist:
        return Check(path, "The result is no longer kept.", True)
    except QueueUnavailable:
        return Check(path, "The queue can't be reached at the moment.", False)
    if not job.is_finished:
        return Check(path, "Waiting for a worker …", False)
    if job.state != "succeeded":
        return Check(path, "The check itself failed.", True)
    return Check(path, "✓ The page is all right." if job.return_value else "✗ Not all right.", True)
