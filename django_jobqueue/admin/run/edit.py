"""Edit the arguments of one job: a failed one runs again with them, a waiting one later."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from django_jobqueue.admin.links import page_url
from django_jobqueue.admin.run.form import CallForm
from django_jobqueue.admin.run.former import Former
from django_jobqueue.admin.run.view import UNFIT, show_page
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job
from django_jobqueue.paths import registered
from django_jobqueue.steering import audit
from django_jobqueue.steering.call import redactor_of
from django_jobqueue.steering.editing import edit_and_requeue

LONGEST = 200  # characters of a value in the history
OWN = "django_jobqueue."


def may_edit(viewer: Viewer, job: Snapshot) -> bool:
    """Return whether a user may edit a job in its state, if this code has its task.

    Nobody edits the jobs of this package: they do what other permissions allow.
    """
    needed = ["view_job", "edit_job", "view_payload"]
    needed += ["requeue_job"] if job.state.is_final else []
    is_fit = job.state is not State.RUNNING and job.task in registered()
    return all(map(viewer.may, needed)) and is_fit and not job.task.startswith(OWN)


def edit_view(request: HttpRequest, model_admin: Any, row: Job | None) -> HttpResponse:
    """Show the form of a job's arguments, or store what it says.

    Raises: JobNotFound; BadSignature, TypeError, ValueError if its arguments can't be edited.
    """
    viewer, site = Viewer(request.user), model_admin.admin_site
    if row is None:
        raise JobNotFound(_("There is no such job any more."))
    engine = get_engine(row.alias)
    job = engine.inspector.job(row.id)
    if not may_edit(viewer, job):
        raise PermissionDenied
    task = registered()[job.task]
    former, redactor = Former.of(engine, task, job, viewer), redactor_of(engine, job.task)
    data = [request.POST] if request.method == "POST" else []
    form = CallForm(task, site, redactor, *data, old=former.old, hidden=former.hidden)
    if form.is_bound and form.is_valid() and _store(request, engine, job, task, form):
        _note(request, row, form, redactor)
        return HttpResponseRedirect(page_url(site, Job, row.id))
    button = _("Save and requeue") if job.state.is_final else _("Save")
    title, back = _("Edit %(job)s") % {"job": row}, row.pk
    return show_page(request, model_admin, "run", form=form, title=title, button=button, back=back)


def _store(request: HttpRequest, engine: Engine, job: Snapshot, task: Any, form: CallForm) -> bool:
    """Return whether the job has the arguments of the form now; else the form has an error."""
    args, kwargs = form.call()
    try:
        is_done = edit_and_requeue(engine, job, task, args, kwargs)
    except UNFIT as error:
        form.add_error(None, str(error))
        return False
    if not is_done:
        form.add_error(None, _("It has begun to run, or somebody else has edited it: look again."))
    return is_done


def _note(request: HttpRequest, row: Job, form: CallForm, redactor: Redactor) -> None:
    """Write to the history what has changed; its first line has names alone."""
    unsent = form.defaults()
    old, new = unsent | form.old, unsent | form.values()
    every = dict.fromkeys([*form.names, *old, *new])
    lines = list(_differences(every, old, new, redactor))
    names = ", ".join(name for name, _line in lines) or _("nothing")
    text = _("Edited: %(names)s") % {"names": one_line(names)}
    said = "\n".join([text, *(line for _name, line in lines)])
    audit.write(request.user.pk, row.pk, str(row), said, CHANGE)
    messages.success(request, text)


def _differences(
    every: Iterable[str], old: Mapping[str, Any], new: Mapping[str, Any], redactor: Redactor
) -> Iterator[tuple[str, str]]:
    """Yield the names of the arguments that differ, and how."""
    for name in every:
        if old.get(name) != new.get(name):
            before, after = _said(redactor, name, old), _said(redactor, name, new)
            yield name, f"{name}: {before} → {after}"


def _said(redactor: Redactor, name: str, values: Mapping[str, Any]) -> str:
    if name not in values:
        return "–"
    shown = redactor.value({name: values[name]})[name]
    return one_line(json.dumps(shown, ensure_ascii=False))[:LONGEST]


def first_line(text: str) -> str:
    """Return what somebody reads of an entry who may not see arguments."""
    return text.partition("\n")[0]
