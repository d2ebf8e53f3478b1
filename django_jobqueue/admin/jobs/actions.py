"""The menu of the list and the buttons of a job's page, and the permission that each needs.

Each action needs a POST request, and writes an entry to the admin's log.
"""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.contrib.admin.models import CHANGE, DELETION
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.jobs import export, matching, priority
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.links import list_url, page_link, page_url
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.run.edit import edit_view, first_line, may_edit
from django_jobqueue.admin.run.view import run_url, runnable
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job
from django_jobqueue.steering import audit
from django_jobqueue.steering.job_action import (
    CANCEL,
    DELETE,
    REQUEUE,
    RUN_NOW,
    ActionRefused,
    ActionReport,
    JobAction,
    apply,
    prioritize,
)

INLINE = 1_000  # jobs that are selected one by one, at most
BUTTONS = (
    (REQUEUE, gettext_lazy("Requeue")),
    (RUN_NOW, gettext_lazy("Run now")),
    (CANCEL, gettext_lazy("Cancel job")),
)


class JobActionsMixin(LiveModelAdmin[Job]):
    """Requeue, cancel and delete jobs."""

    actions = (
        "requeue_selected",
        "run_now_selected",
        "cancel_selected",
        "prioritize_selected",
        "delete_selected",
        "export_csv",
        "export_json",
    )

    def has_requeue_job_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("requeue_job")

    def has_cancel_job_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("cancel_job")

    def has_edit_job_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("edit_job")

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Return whether the user may delete; a running job can't be deleted."""
        if obj is not None and obj.snapshot.state is State.RUNNING:
            return False
        return Viewer(request.user).may("delete_job")

    @admin.action(
        permissions=["requeue_job"],
        description=gettext_lazy("Requeue selected %(verbose_name_plural)s"),
    )
    def requeue_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._apply_to_rows(request, REQUEUE, queryset)

    @admin.action(
        permissions=["requeue_job"],
        description=gettext_lazy("Run selected scheduled %(verbose_name_plural)s now"),
    )
    def run_now_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._apply_to_rows(request, RUN_NOW, queryset)

    @admin.action(
        permissions=["cancel_job"],
        description=gettext_lazy("Cancel selected %(verbose_name_plural)s"),
    )
    def cancel_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._apply_to_rows(request, CANCEL, queryset)

    @admin.action(
        permissions=["edit_job"],
        description=gettext_lazy("Change the priority of selected %(verbose_name_plural)s"),
    )
    def prioritize_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        form = priority.form_of(request)
        if not form.is_valid():
            return priority.ask(self, request, form, queryset.named())
        return self._apply_to_rows(request, prioritize(form.cleaned_data["priority"]), queryset)

    @admin.action(
        permissions=["delete"],
        description=gettext_lazy("Delete selected %(verbose_name_plural)s"),
    )
    def delete_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Show Django's confirmation page, then delete the jobs that are not running."""
        rows = queryset.named()
        if request.POST.get("post") or matching.is_many(rows):
            return self._apply_to_rows(request, DELETE, queryset)
        # The confirmation form has one field per job, and this setting bounds their number.
        fields = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or INLINE + 10
        chosen = self._at_most(request, rows, min(INLINE, fields - 10))
        if chosen is None or (not list(chosen) and chosen.source.faults):
            return None  # the list shows the reason
        return confirm_deletion(self, request, chosen)  # type: ignore[arg-type]

    @admin.action(description=gettext_lazy("Export selected %(verbose_name_plural)s as CSV"))
    def export_csv(self, request: HttpRequest, queryset: Any) -> Any:
        return self._export(request, export.as_csv, queryset)

    @admin.action(description=gettext_lazy("Export selected %(verbose_name_plural)s as JSON"))
    def export_json(self, request: HttpRequest, queryset: Any) -> Any:
        return self._export(request, export.as_json, queryset)

    def _export(self, request: HttpRequest, form: Any, queryset: JobRows) -> Any:
        """Return the file of the listed rows; if there are too many, show an error."""
        rows = queryset.named()
        if (count := rows.count()) <= export.MOST:
            return form(rows, Viewer(request.user))
        text = _("%(count)s jobs are selected, and a file has at most %(most)s: narrow the list.")
        values = {"count": phrases.count(count), "most": phrases.count(export.MOST)}
        self.message_user(request, text % values, messages.ERROR)
        return None

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        rows = list(objs)
        links = [page_link(self.admin_site, Job, row.pk, str(row)) for row in rows]
        lacking = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return links, {str(self.opts.verbose_name_plural): len(rows)}, lacking, []

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        """Delete one job.

        Raises: ActionRefused, so that Django rolls back the log entry it has written.
        """
        report = apply(DELETE, [obj])
        if not report.done:
            raise ActionRefused(" ".join(report.refusals()))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Redirect to the list, as Django does only for users with the change permission."""
        response = super().response_delete(request, obj_display, obj_id)  # with its success text
        if not self.has_view_permission(request):
            return response
        kept: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(kept, list_url(self.admin_site, Job)))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        apply(DELETE, queryset)

    def get_urls(self) -> list[URLPattern]:
        edit = path(
            "<path:object_id>/edit/",
            self.admin_site.admin_view(self.edit_view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_edit",
        )
        return [edit, *map(self._url, (REQUEUE, RUN_NOW, CANCEL)), *super().get_urls()]

    def _url(self, action: JobAction) -> URLPattern:
        return path(
            f"<path:object_id>/{action.name}/",
            self.admin_site.admin_view(partial(self.action_view, action)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{action.name}",
        )

    def action_view(self, action: JobAction, request: HttpRequest, object_id: str) -> HttpResponse:
        """Apply an action to one job, by POST only, and redirect to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self._may(action, request)):
            raise PermissionDenied
        return self.or_to_list(request, self._apply_to_one, action, unquote(object_id))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons that the user's permissions and the job's state allow."""
        row = context["original"]
        context["links"] = self._links(request, row)
        context["buttons"] = [
            {"text": text, "url": page_url(self.admin_site, Job, row.pk, action.name)}
            for action, text in BUTTONS
            if action.is_possible(row.snapshot.state) and self._may(action, request)
            if not (action is CANCEL and row.snapshot.cancelling)  # already cancelled
            if not (action is REQUEUE and row.snapshot.state is State.SCHEDULED)  # it is run now
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _links(self, request: HttpRequest, row: Job) -> list[dict[str, Any]]:
        """Return the links to the forms with the job's arguments."""
        viewer, links = Viewer(request.user), []
        if may_edit(viewer, row.snapshot):
            text = _("Edit and requeue") if row.snapshot.state.is_final else _("Edit")
            links.append({"text": text, "url": page_url(self.admin_site, Job, row.pk, "edit")})
        if viewer.may("view_payload") and row.task in runnable(request.user):
            url = run_url(self.admin_site, row.task, row.id)
            links.append({"text": _("Run as new"), "url": url})
        return links

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form of one job's arguments; the job's page says why there is none."""
        job_id = unquote(object_id)
        if not Viewer(request.user).may("edit_job"):
            raise PermissionDenied
        mine = self.for_request(request)
        try:
            row = mine.get_object(request, job_id)
            return self.or_to_list(request, edit_view, self, row)
        except (ValueError, TypeError, RecursionError) as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(page_url(self.admin_site, Job, job_id))

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the history; what arguments were before takes the permission to see them."""
        response = super().history_view(request, *args, **kwargs)
        context = getattr(response, "context_data", None) or {}
        if "action_list" in context and not Viewer(request.user).may("view_payload"):
            for entry in context["action_list"]:
                vars(entry).update(change_message=first_line(entry.change_message))
        return response

    def _may(self, action: JobAction, request: HttpRequest) -> bool:
        if action in (REQUEUE, RUN_NOW):
            return self.has_requeue_job_permission(request)
        return self.has_cancel_job_permission(request)

    def _apply_to_one(self, request: HttpRequest, action: JobAction, job_id: str) -> HttpResponse:
        row = self.get_object(request, job_id)
        if row is None:
            raise JobNotFound(_("There is no job %(id)s any more.") % {"id": job_id})
        self._report(request, apply(action, [row]))
        filters = f"?{request.GET.urlencode()}" if request.GET else ""  # of the list before
        return HttpResponseRedirect(page_url(self.admin_site, Job, job_id) + filters)

    def _apply_to_rows(
        self, request: HttpRequest, action: JobAction, queryset: JobRows
    ) -> HttpResponse | None:
        rows = queryset.named()
        if matching.is_many(rows):
            act = matching.start if request.POST.get("confirmed") else matching.ask
            return self.or_to_list(request, partial(act, self), action, rows)
        chosen = self._at_most(request, rows, INLINE)
        if chosen is None:
            return None
        found = list(chosen)
        if not chosen.source.faults:  # otherwise the list shows the fault
            missing = 0 if chosen.ids is None else len(chosen.ids) - len(found)
            self._report(request, apply(action, found, missing))
        return None

    def _at_most(self, request: HttpRequest, rows: JobRows, limit: int) -> JobRows | None:
        """Return the rows of an action; if there are too many, show an error and return None."""
        count = rows.count() if rows.ids is None else len(rows.ids)
        if count <= limit:
            return rows
        text = _(
            "%(count)d jobs are selected by hand, and an action changes at most %(limit)d of them. "
            "Nothing was changed: narrow the list with the filters, and select all that match."
        )
        values = {"count": count, "limit": limit}
        self.message_user(request, text % values, messages.ERROR)
        return None

    def _report(self, request: HttpRequest, report: ActionReport) -> None:
        """Log the changes, and show the user what was done and what was refused."""
        flag, user = (DELETION if report.action is DELETE else CHANGE), request.user.pk
        successes = report.successes()
        summary = " ".join(successes)
        audit.note(user, report.done, str(report.action.log), flag, summary)
        audit.note(user, report.told_to_end, _("Told to end."), flag, summary)
        for sentence in successes:
            self.message_user(request, sentence, messages.SUCCESS)
        for sentence in report.refusals():
            self.message_user(request, sentence, messages.WARNING)
        if report.fault:
            self.message_user(request, report.fault, messages.ERROR)
