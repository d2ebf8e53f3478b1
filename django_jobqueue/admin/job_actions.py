"""What one can do to jobs in the admin: on the list as actions, on the page of one as buttons.

Each needs its permission, goes by POST, and leaves an entry in the admin's log.
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

from django_jobqueue.admin.job_rows import JobRows
from django_jobqueue.admin.links import list_url, page_link, page_url
from django_jobqueue.admin.live import LiveAdmin
from django_jobqueue.admin.verbs import CANCEL, DELETE, REQUEUE, NotDone, Tally, Verb, apply
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import State
from django_jobqueue.models import Job

INLINE = 1_000  # most jobs that one action changes within a request


class JobActions(LiveAdmin[Job]):
    """Requeue, cancel and delete jobs."""

    actions = ("requeue_selected", "cancel_selected", "delete_selected")

    def has_requeue_job_permission(self, request: HttpRequest) -> bool:
        return self.has_own_permission(request, "requeue_job")

    def has_cancel_job_permission(self, request: HttpRequest) -> bool:
        return self.has_own_permission(request, "cancel_job")

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Allow it to those who may, and not for a job that runs."""
        if obj is not None and obj.snapshot.state is State.RUNNING:
            return False
        return self.has_own_permission(request, "delete_job")

    @admin.action(
        permissions=["requeue_job"],
        description=gettext_lazy("Requeue selected %(verbose_name_plural)s"),
    )
    def requeue_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._apply_to_rows(request, REQUEUE, queryset)

    @admin.action(
        permissions=["cancel_job"],
        description=gettext_lazy("Cancel selected %(verbose_name_plural)s"),
    )
    def cancel_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._apply_to_rows(request, CANCEL, queryset)

    @admin.action(
        permissions=["delete"],
        description=gettext_lazy("Delete selected %(verbose_name_plural)s"),
    )
    def delete_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Ask with the stock page, then delete what does not run."""
        if request.POST.get("post"):
            self._apply_to_rows(request, DELETE, queryset)
            return None
        # Its answer has one field per job, and Django takes no more than this setting.
        fields = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or INLINE + 10
        rows = self._bounded(request, queryset, min(INLINE, fields - 10))
        if rows is None or (not list(rows) and rows.source.faults):
            return None  # the list says why
        return confirm_deletion(self, request, rows)  # type: ignore[arg-type]

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        rows = list(objs)
        links = [page_link(self.admin_site, Job, row.pk, str(row)) for row in rows]
        lacking = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return links, {str(self.opts.verbose_name_plural): len(rows)}, lacking, []

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        """Delete one job.

        Raises: NotDone, which takes back the log entry that Django wrote before.
        """
        tally = apply(DELETE, [obj])
        if not tally.done:
            raise NotDone(" ".join(tally.bad()))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Go back to the list, to which Django sends only who may change rows."""
        response = super().response_delete(request, obj_display, obj_id)  # with its message
        if not self.has_view_permission(request):
            return response
        kept: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(kept, list_url(self.admin_site, Job)))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        apply(DELETE, queryset)

    def get_urls(self) -> list[URLPattern]:
        return [self._route(REQUEUE), self._route(CANCEL), *super().get_urls()]

    def verb_view(self, verb: Verb, request: HttpRequest, object_id: str) -> HttpResponse:
        """Do one thing to one job, by POST only, and go back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.may(verb, request)):
            raise PermissionDenied
        return self._or_list(request, lambda: self._apply_to_one(request, verb, unquote(object_id)))

    def may(self, verb: Verb, request: HttpRequest) -> bool:
        if verb is REQUEUE:
            return self.has_requeue_job_permission(request)
        return self.has_cancel_job_permission(request)

    def _route(self, verb: Verb) -> URLPattern:
        return path(
            f"<path:object_id>/{verb.name}/",
            self.admin_site.admin_view(partial(self.verb_view, verb)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{verb.name}",
        )

    def _apply_to_one(self, request: HttpRequest, verb: Verb, job_id: str) -> HttpResponse:
        row = self.get_object(request, job_id)
        if row is None:
            raise JobNotFound(_("There is no job %(id)s any more.") % {"id": job_id})
        self._tell(request, apply(verb, [row]))
        filters = f"?{request.GET.urlencode()}" if request.GET else ""  # of the list before
        return HttpResponseRedirect(page_url(self.admin_site, Job, job_id) + filters)

    def _apply_to_rows(self, request: HttpRequest, verb: Verb, queryset: JobRows) -> None:
        rows = self._bounded(request, queryset, INLINE)
        if rows is None:
            return
        found = list(rows)
        if not rows.source.faults:  # else the list says so
            missing = 0 if rows.ids is None else len(rows.ids) - len(found)
            self._tell(request, apply(verb, found, gone=missing))

    def _bounded(self, request: HttpRequest, queryset: JobRows, limit: int) -> JobRows | None:
        """Return the rows of an action, or None, and say why, if they are too many."""
        rows = queryset.named()
        count = rows.count() if rows.ids is None else len(rows.ids)
        if count <= limit:
            return rows
        text = _(
            "%(count)d jobs are selected, and an action changes at most %(limit)d at once. "
            "Nothing was changed: narrow the list with the filters, or select fewer."
        )
        values = {"count": count, "limit": limit}
        self.message_user(request, text % values, messages.ERROR)
        return None

    def _tell(self, request: HttpRequest, tally: Tally) -> None:
        """Log what was done, and say what was done and what not."""
        deleted = tally.verb is DELETE
        flag, text = (DELETION, "") if deleted else (CHANGE, str(tally.verb.log))
        self.log(request, tally.done, text, flag)
        self.log(request, tally.asked, _("Told to end."), flag)
        for sentence in tally.good():
            self.message_user(request, sentence, messages.SUCCESS)
        for sentence in tally.bad():
            self.message_user(request, sentence, messages.WARNING)
        if tally.fault:
            self.message_user(request, tally.fault, messages.ERROR)
