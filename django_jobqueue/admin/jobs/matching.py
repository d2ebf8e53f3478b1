"""Actions on all jobs that match the filters: the question before, and the job that does it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.jobs.chosen import chosen
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.links import list_url, page_url
from django_jobqueue.jobs import phrases
from django_jobqueue.models import Job
from django_jobqueue.steering import audit, bulk
from django_jobqueue.steering.job_action import (
    CANCEL,
    DELETE,
    MOVE,
    PRIORITIZE,
    REQUEUE,
    RUN_NOW,
    JobAction,
)

MANY = 100  # jobs that are changed at once, without a further question
SPREADS: dict[int, Promise] = {  # seconds
    0: gettext_lazy("at once"),
    600: gettext_lazy("over the next 10 minutes"),
    1800: gettext_lazy("over the next 30 minutes"),
    7200: gettext_lazy("over the next 2 hours"),
}
QUESTIONS: dict[str, Promise] = {
    REQUEUE.name: gettext_lazy("Requeue all jobs that match?"),
    RUN_NOW.name: gettext_lazy("Run all jobs now that match?"),
    CANCEL.name: gettext_lazy("Cancel all jobs that match?"),
    DELETE.name: gettext_lazy("Delete all jobs that match?"),
    PRIORITIZE: gettext_lazy("Change the priority of all jobs that match?"),
    MOVE: gettext_lazy("Move all jobs that match to another queue?"),
}


def question(action: JobAction) -> str:
    return str(QUESTIONS[action.kind])


def is_many(rows: JobRows) -> bool:
    """Return whether a job is to change the rows: many are selected, or not all are listed."""
    return rows.ids is None and (rows.count() > MANY or rows.is_cut)


def ask(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, action: JobAction, rows: JobRows
) -> HttpResponse:
    """Show what would be changed, and ask."""
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question(action),
        "opts": model_admin.opts,
        "action": request.POST.get("action", ""),
        "filters": list(chosen(rows)),
        "count": phrases.count(rows.count()),
        "is_cut": rows.is_cut,
        "spreads": SPREADS.items() if action in (REQUEUE, RUN_NOW) else (),
        "media": model_admin.media,
    }
    return TemplateResponse(request, "admin/django_jobqueue/job/all_matching.html", context)


def start(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, action: JobAction, rows: JobRows
) -> HttpResponse:
    """Enqueue the job that changes all that match, note who asked for it, and lead to it."""
    spreads = {str(seconds): seconds for seconds in SPREADS}
    spread = spreads.get(request.POST.get("spread", ""), 0)
    site, user = model_admin.admin_site, request.user.pk
    results = bulk.start(rows.alias, action, rows.selection(), user, spread)
    flag = DELETION if action is DELETE else CHANGE
    said = "; ".join(f"{label}: {value}" for label, value in chosen(rows))
    text = _("Asked for all that match. %(filters)s") % {"filters": said}
    shown = question(action).rstrip("?")
    audit.write(user, results[0].id, shown, text, flag)
    if len(results) == 1:
        done = _("A job does this in the background. Its page shows how far it is.")
        model_admin.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(page_url(site, Job, results[0].id))
    spread_out = _("These jobs do this in the background, one after the other.")
    model_admin.message_user(request, spread_out, messages.SUCCESS)
    where = {"alias": rows.where["alias"]} if "alias" in rows.where else {}
    return HttpResponseRedirect(list_url(site, Job, tag=results[0].tags[0], **where))
