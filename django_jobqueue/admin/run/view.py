"""Run a task by a form of its arguments, anew or with those of an earlier job."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.models import ADDITION
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_url
from django_jobqueue.admin.run.form import RunForm
from django_jobqueue.admin.run.former import Former
from django_jobqueue.admin.run.own import OwnForm
from django_jobqueue.admin.source import aliases
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.compat import InvalidTask
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job
from django_jobqueue.paths import registered
from django_jobqueue.steering import audit
from django_jobqueue.steering.call import redactor_of

UNFIT = (TypeError, ValueError, InvalidTask, JobQueueError, ImproperlyConfigured)


def runnable(user: Any) -> dict[str, Any]:
    """Return the tasks that the user may run, by path."""
    if not Viewer(user).may("run_job"):
        return {}
    return {path: task for path, task in registered().items() if is_runnable(task, user)}


def is_runnable(task: Any, user: Any) -> bool:
    """Return whether a task may be run by a user who may run tasks."""
    allowed = getattr(task, "runnable", False)
    return task.backend in aliases() and (
        user.has_perm(allowed) if isinstance(allowed, str) else bool(allowed)
    )


def run_url(site: AdminSite, path: str, job_id: str = "") -> str:
    """Return the address of the form of a task; empty on a site without jobs."""
    given = {"task": path} | ({"from": job_id} if job_id else {})
    with suppress(NoReverseMatch):
        url = reverse("admin:django_jobqueue_job_add", current_app=site.name)
        return f"{url}?{urlencode(given)}"
    return ""


def run_view(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Show the tasks to choose from, or the form of one; enqueue what it says."""
    viewer, site = Viewer(request.user), model_admin.admin_site
    tasks = runnable(request.user)
    if not (viewer.may("view_job") and tasks):
        raise PermissionDenied
    path = request.GET.get("task", "")
    if not path:
        links = [
            (display.whole_task(one), run_url(site, one), about(task))
            for one, task in tasks.items()
        ]
        return show_page(request, model_admin, "run_choose", links=links, title=_("Run a task"))
    if path not in tasks:
        raise PermissionDenied
    task = tasks[path]
    former = Former.find(task, request.GET.get("from", ""), viewer)
    title = _("Run %(task)s") % {"task": one_line(path)}
    try:
        form = _form(request, task, site, former)
    except ImproperlyConfigured as error:
        context = {"title": title, "faults": [str(error)]}
        return show_page(request, model_admin, "run_choose", **context)
    if form.is_bound and form.is_valid() and (result := _enqueue(task, form)):
        text = _("Run from the admin.")
        audit.write(request.user.pk, result.id, f"{path} {result.id}", text, ADDITION)
        messages.success(request, _("The job is enqueued."))
        return HttpResponseRedirect(page_url(site, Job, result.id))
    media = model_admin.media + form.media
    button = _("Run")
    return show_page(
        request,
        model_admin,
        "run",
        form=form,
        title=title,
        media=media,
        button=button,
        about=about(task),
    )


def about(task: Any) -> str:
    """Return the first line of what the task's function says about itself."""
    return one_line(next(iter((task.func.__doc__ or "").strip().splitlines()), ""))


def _form(request: HttpRequest, task: Any, site: AdminSite, former: Former) -> RunForm | OwnForm:
    """Return the form of a call. Raises: ImproperlyConfigured."""
    data = [request.POST] if request.method == "POST" else []
    if getattr(task, "form", None) is not None:
        return OwnForm(task, former, *data)
    redactor = redactor_of(get_engine(task.backend), task.module_path)
    return RunForm(task, site, redactor, *data, old=former.old, hidden=former.hidden)


def _enqueue(task: Any, form: RunForm | OwnForm) -> Any:
    """Return the result of a new job; None, and an error in the form, if it was refused."""
    try:
        args, kwargs = form.call()
        return task.using(**form.options()).enqueue(*args, **kwargs)
    except UNFIT as error:
        form.add_error(None, str(error))
        return None


def show_page(request: HttpRequest, model_admin: Any, name: str, **context: Any) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    given = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        **context,
    }
    return TemplateResponse(request, f"admin/django_jobqueue/job/{name}.html", given)
