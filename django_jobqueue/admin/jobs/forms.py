"""The forms of one job: its arguments, its queue. And what an action says it has done."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_jobqueue.admin.jobs import asking
from django_jobqueue.admin.links import page_url
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.run.edit import edit_view, first_line, may_edit
from django_jobqueue.admin.run.view import run_url, runnable
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.models import Job
from django_jobqueue.steering import audit
from django_jobqueue.steering.job_action import DELETE, ActionReport, apply, move

MOVE = move("")  # to ask whether it is possible


class JobFormsMixin(LiveModelAdmin[Job]):
    """Show the forms of one job, and report what was done."""

    def has_edit_job_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("edit_job")

    def get_urls(self) -> list[URLPattern]:
        own = [self.url_of("edit", self.edit_view), self.url_of("move", self.move_view)]
        return [*own, *super().get_urls()]

    def url_of(self, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
        """Return the address of a view of one job."""
        return path(
            f"<path:object_id>/{name}/",
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the links that the user's permissions and the job's state allow."""
        context["links"] = self._links(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def _links(self, request: HttpRequest, row: Job) -> list[dict[str, Any]]:
        """Return the links to the forms."""
        viewer, links = Viewer(request.user), []
        if may_edit(viewer, row.snapshot):
            text = _("Edit and requeue") if row.snapshot.state.is_final else _("Edit")
            links.append({"text": text, "url": page_url(self.admin_site, Job, row.pk, "edit")})
        if viewer.may("view_payload") and row.task in runnable(request.user):
            url = run_url(self.admin_site, row.task, row.id)
            links.append({"text": _("Run as new"), "url": url})
        if self.has_edit_job_permission(request) and MOVE.is_possible(row.snapshot.state):
            url = page_url(self.admin_site, Job, row.pk, "move")
            links.append({"text": pgettext("button", "Move"), "url": url})
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

    def move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the other queue of one job, and put it there."""
        if not (self.has_view_permission(request) and self.has_edit_job_permission(request)):
            raise PermissionDenied
        return self.or_to_list(request, self._move, unquote(object_id))

    def _move(self, request: HttpRequest, job_id: str) -> HttpResponse:
        row = self.get_object(request, job_id)
        if row is None:
            raise JobNotFound(_("There is no job %(id)s any more.") % {"id": job_id})
        form = asking.MoveForm(request.POST, alias=row.alias)
        if not form.is_valid():
            return asking.ask_for_one(self, request, form, row)
        self.report(request, apply(form.action(), [row]))
        return HttpResponseRedirect(page_url(self.admin_site, Job, job_id))

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the history; what arguments were before takes the permission to see them."""
        response = super().history_view(request, *args, **kwargs)
        context = getattr(response, "context_data", None) or {}
        if "action_list" in context and not Viewer(request.user).may("view_payload"):
            for entry in context["action_list"]:
                vars(entry).update(change_message=first_line(entry.change_message))
        return response

    def report(self, request: HttpRequest, report: ActionReport) -> None:
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
