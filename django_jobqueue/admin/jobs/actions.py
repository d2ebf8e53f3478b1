"""The menu of the list and the buttons of a job's page, and the permission that each needs.

Each action needs a POST request, and writes an entry to the admin's log.
"""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.jobs import asking, export, matching
from django_jobqueue.admin.jobs.forms import JobFormsMixin
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.links import list_url, page_link, page_url
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job
from django_jobqueue.steering.job_action import (
    CANCEL,
    DELETE,
    REQUEUE,
    RUN_NOW,
    ActionRefused,
    JobAction,
    apply,
)

INLINE = 1_000  # jobs that are selected one by one, at most
BUTTONS = (
    (REQUEUE, gettext_lazy("Requeue")),
    (RUN_NOW, gettext_lazy("Run now")),
    (CANCEL, gettext_lazy("Cancel job")),
)


class JobActionsMixin(JobFormsMixin):
    """Requeue, cancel and delete jobs."""

    actions = (
        "requeue_selected",
        "run_now_selected",
        "cancel_selected",
        "prioritize_selected",
        "move_selected",
        "delete_selected",
        "export_csv",
        "export_json",
    )

    def has_requeue_job_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("requeue_job")

    def has_cancel_job_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("cancel_job")

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
        return self._ask_and_apply(request, asking.PriorityForm, queryset)

    @admin.action(
        permissions=["edit_job"],
        description=gettext_lazy("Move selected %(verbose_name_plural)s to another queue"),
    )
    def move_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._ask_and_apply(request, asking.MoveForm, queryset)

    def _ask_and_apply(
        self, request: HttpRequest, kind: type[asking.AskingForm], queryset: Any
    ) -> HttpResponse | None:
        form = kind(request.POST, alias=queryset.alias)
        if not form.is_valid():
            return asking.ask(self, request, form, queryset.named())
        return self._apply_to_rows(request, form.action(), queryset)

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
        own = [
            self.url_of(action.name, partial(self.action_view, action))
            for action in (REQUEUE, RUN_NOW, CANCEL)
        ]
        return [*own, *super().get_urls()]

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
        context["buttons"] = [
            {"text": text, "url": page_url(self.admin_site, Job, row.pk, action.name)}
            for action, text in BUTTONS
            if action.is_possible(row.snapshot.state) and self._may(action, request)
            if not (action is CANCEL and row.snapshot.cancelling)  # already cancelled
            if not (action is REQUEUE and row.snapshot.state is State.SCHEDULED)  # it is run now
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _may(self, action: JobAction, request: HttpRequest) -> bool:
        if action in (REQUEUE, RUN_NOW):
            return self.has_requeue_job_permission(request)
        return self.has_cancel_job_permission(request)

    def _apply_to_one(self, request: HttpRequest, action: JobAction, job_id: str) -> HttpResponse:
        row = self.get_object(request, job_id)
        if row is None:
            raise JobNotFound(_("There is no job %(id)s any more.") % {"id": job_id})
        self.report(request, apply(action, [row]))
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
            self.report(request, apply(action, found, missing))
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
