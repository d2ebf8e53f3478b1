"""The views of requests, and the form view that takes one.

Next: answers.py answers in the form that the client wants.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.core.paginator import Paginator
from django.db import transaction
from django.forms import Form
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.generic import FormView

from django_jobqueue import compat
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.requests import access, answers, changes, limits, persons, status
from django_jobqueue.requests.links import NAMESPACE
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.persons import Person
from django_jobqueue.requests.submission import BadAddress, store, submission

if TYPE_CHECKING:
    _FormView = FormView[Form]
else:
    _FormView = FormView

PER_PAGE = 25  # requests on a page of the list

View = Callable[[HttpRequest, JobRequest], HttpResponseBase]


@method_decorator([login_not_required, transaction.non_atomic_requests], name="dispatch")
class JobFormView(_FormView):
    """A form view that enqueues a job instead of doing the work.

    Set `task`, and `get_task_arguments` unless the fields of the form are the task's arguments. It
    opens a transaction of its own, so it is not atomic per request: else nobody could wait for a
    quick job.
    """

    task: "compat.Task[..., Any] | None" = None
    title = ""  # "": the name of the task
    notify: bool | None = None  # whether to send a mail; None: if there is an address
    allow_anonymous = False
    address_field = ""  # of the form: the address of an anonymous person

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not self.allow_anonymous and persons.of(request).user is None:
            return redirect_to_login(request.get_full_path())
        return super().dispatch(request, *args, **kwargs)

    def get_task(self) -> "compat.Task[..., Any]":
        if self.task is None:
            raise ImproperlyConfigured(
                f"{type(self).__name__} has no task: set `task`, or override get_task()."
            )
        return self.task

    def get_task_arguments(self, form: Form) -> Any:
        """Return the arguments: a mapping of names, or a list or tuple.

        It is called inside the transaction that stores the request, and may write to the database.
        """
        return {k: v for k, v in form.cleaned_data.items() if k != self.address_field}

    def get_title(self, form: Form) -> str:
        return str(self.title)

    def form_valid(self, form: Form) -> HttpResponse:
        """Store the request and answer; if it is refused, show the form again and say why."""
        try:
            with submission(self.request, self._address(form)) as person:
                job_request = self._store(form, person)
        except limits.LimitReached as reached:
            return self._refuse(form, reached)
        except BadAddress as error:
            form.add_error(self.address_field, error)
            return self.form_invalid(form)
        return answers.to_submission(self.request, job_request)

    def form_invalid(self, form: Form) -> HttpResponse:
        if answers.shape_for(self.request) is answers.Shape.JSON:
            errors = {name: list(map(str, texts)) for name, texts in form.errors.items()}
            fault = {
                "code": "invalid",
                "message": _("Please correct the fields."),
                "fields": errors,
            }
            return JsonResponse({"error": fault}, status=400)
        return super().form_invalid(form)

    def _store(self, form: Form, person: Person) -> JobRequest:
        given = self.get_task_arguments(form)
        args, kwargs = ((), given) if isinstance(given, Mapping) else (given, {})
        title = self.get_title(form)
        return store(
            self.request, person, self.get_task(), args, kwargs, title=title, notify=self.notify
        )

    def _address(self, form: Form) -> str:
        return str(form.cleaned_data.get(self.address_field) or "")

    def _refuse(self, form: Form, reached: limits.LimitReached) -> HttpResponse:
        if answers.shape_for(self.request) is answers.Shape.JSON:
            return answers.refusal(self.request, reached)
        form.add_error(None, str(reached))
        answer = self.render_to_response(self.get_context_data(form=form), status=429)
        answer.headers["Retry-After"] = str(reached.retry_after)
        return answer


def _for_who_may_see(view: View) -> Callable[[HttpRequest, str], HttpResponseBase]:
    """Give the view the request that is asked for, if the person may see it."""

    @login_not_required  # a link with a key is enough
    @transaction.non_atomic_requests  # inside a transaction nobody could wait for the end
    @never_cache
    @wraps(view)
    def found_first(request: HttpRequest, public_id: str) -> HttpResponseBase:
        try:
            found = access.find(request, public_id)
        except access.Gone:
            return answers.gone(request)
        except access.LoginNeeded:
            if answers.shape_for(request) is answers.Shape.PAGE:
                return redirect_to_login(reverse(f"{NAMESPACE}:page", args=[public_id]))
            raise Http404 from None
        try:
            return view(request, found)
        except JobRequest.DoesNotExist:  # it was deleted a moment ago
            raise Http404 from None

    return found_first


@require_safe
@never_cache
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List the person's requests, the newest first."""
    rows = JobRequest.objects.filter(owner=request.user.pk).order_by("-created_at", "-pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    found = status.of_each(list(page))
    if answers.shape_for(request) is answers.Shape.JSON:
        further = f"?page={page.next_page_number()}" if page.has_next() else None
        return JsonResponse({"requests": [one.as_json() for one in found], "next": further})
    return render(request, f"{answers.FOLDER}/list.html", {"statuses": found, "page": page})


@require_safe
@_for_who_may_see
def page(request: HttpRequest, job_request: JobRequest) -> HttpResponse:
    """Show one request; the first time that who asked sees its end is noted."""
    changes.note_seen(job_request)  # first: the bell of the page counts what is unseen
    answer = answers.to_look(request, job_request)
    changes.note_seen(job_request)  # it may have ended while it was waited for
    return answer


@require_POST
@_for_who_may_see
def cancel(request: HttpRequest, job_request: JobRequest) -> HttpResponse:
    """Cancel one request."""
    texts = _("It is being cancelled."), _("It had ended already.")
    return _change(request, job_request, changes.cancel, *texts)


@require_POST
@_for_who_may_see
def retry(request: HttpRequest, job_request: JobRequest) -> HttpResponse:
    """Run the job of a request again that did not succeed."""
    try:
        if job_request.can_retry:
            person = persons.of(request, job_request.address)
            limits.check(person, tried_at=job_request.tried_at)
    except limits.LimitReached as reached:
        return answers.refusal(request, reached)
    texts = _("It is tried again."), _("It can’t be tried again.")
    return _change(request, job_request, changes.retry_for_person, *texts)


@require_safe
@_for_who_may_see
def download(request: HttpRequest, job_request: JobRequest) -> HttpResponseBase:
    """Send the file of one request, as long as it is kept."""
    if not job_request.file and job_request.file_expires_at is None:
        raise Http404
    if not job_request.has_file:
        return answers.gone(request)
    try:
        content = job_request.file.open("rb")
    except FileNotFoundError:
        return answers.gone(request)
    changes.note_seen(job_request)
    answer = FileResponse(content, as_attachment=True, filename=job_request.file_name)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _change(
    request: HttpRequest,
    job_request: JobRequest,
    change: Callable[[JobRequest], bool],
    done: str,
    refused: str,
) -> HttpResponse:
    """Change a request, and answer with what came of it."""
    try:
        text, code = (done, 200) if change(job_request) else (refused, 409)
    except JobQueueError:
        text, code = _("That is not possible at the moment. Please try again soon."), 503
    return answers.to_change(request, job_request, text, code)
