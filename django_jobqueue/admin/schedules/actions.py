"""The actions on schedules: save, enable, disable, run now, delete.

Each needs its permission and a POST request, and writes an entry to the admin's log.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_jobqueue import compat
from django_jobqueue.admin.links import list_url, page_url
from django_jobqueue.admin.live import JobQueueModelAdmin
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.models import Schedule
from django_jobqueue.schedules.spec import declared
from django_jobqueue.schedules.stored import spec_of

ENABLED = ngettext_lazy("%(count)d schedule enabled.", "%(count)d schedules enabled.", "count")
DISABLED = ngettext_lazy("%(count)d schedule disabled.", "%(count)d schedules disabled.", "count")
RUN = ngettext_lazy("%(count)d schedule is run now.", "%(count)d schedules are run now.", "count")
REFUSED = (ValueError, TypeError, compat.InvalidTask, JobQueueError, ImproperlyConfigured)


class ScheduleActionsMixin(JobQueueModelAdmin[Schedule]):
    """Save, enable, disable, run and delete schedules."""

    actions = ("enable_selected", "disable_selected", "run_selected", "delete_selected")

    def has_run_schedule_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("run_schedule")

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        """Store the row; a row that follows the code stores no values of its own."""
        if obj.from_code and obj.name in declared():
            obj.follow_code(declared()[obj.name].task.module_path)
        obj.overrides = not obj.from_code and obj.name in declared()
        super().save_model(request, obj, form, change)
        before = form.initial.get("name")
        if change and before not in {None, obj.name}:
            self._forget([Schedule(name=before, alias=obj.alias)])

    @admin.action(
        permissions=["change"],
        description=gettext_lazy("Enable selected %(verbose_name_plural)s"),
    )
    def enable_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._switch(request, queryset, True, ENABLED, _("Enabled."))

    @admin.action(
        permissions=["change"],
        description=gettext_lazy("Disable selected %(verbose_name_plural)s"),
    )
    def disable_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._switch(request, queryset, False, DISABLED, _("Disabled."))

    def _switch(
        self, request: HttpRequest, queryset: Any, enabled: bool, done: Promise, log: str
    ) -> None:
        """Enable or disable rows; log and count those that changed."""
        rows = list(queryset.exclude(enabled=enabled))
        for row in rows:
            row.enabled = enabled
            row.save(update_fields=["enabled", "updated_at"])
        self.log(request, rows, log)
        level = messages.SUCCESS if rows else messages.WARNING
        self.message_user(request, str(done % {"count": len(rows)}), level)

    @admin.action(
        permissions=["run_schedule"],
        description=gettext_lazy("Run selected %(verbose_name_plural)s now"),
    )
    def run_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._run(request, queryset)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.run_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_run"
        return [path("<path:object_id>/run/", view, name=name), *super().get_urls()]

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Run one schedule now, by POST only, and redirect to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_run_schedule_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            self.message_user(request, _("The schedule is gone."), messages.WARNING)
            return HttpResponseRedirect(list_url(self.admin_site, Schedule))
        self._run(request, [row])
        return HttpResponseRedirect(page_url(self.admin_site, Schedule, object_id))

    def _run(self, request: HttpRequest, rows: Iterable[Schedule]) -> None:
        """Enqueue one job per schedule; show and log the runs, and show the errors."""
        done = []
        for row in rows:
            try:
                run_now(row)
            except REFUSED as error:
                text = _("“%(name)s” was not run: %(reason)s")
                values = {"name": row.name, "reason": error}
                self.message_user(request, text % values, messages.ERROR)
            else:
                done.append(row)
        self.log(request, done, _("Run now."))
        if done:
            self.message_user(request, str(RUN % {"count": len(done)}), messages.SUCCESS)

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Return whether the user may delete; a schedule in the code would come back."""
        if obj is not None and obj.name in declared():
            return False
        return super().has_delete_permission(request, obj)

    @admin.action(
        permissions=["delete"],
        description=gettext_lazy("Delete selected %(verbose_name_plural)s"),
    )
    def delete_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Show Django's confirmation page, unless the code declares one of the schedules."""
        kept = sorted(declared().keys() & set(queryset.values_list("name", flat=True)))
        if not kept:
            return confirm_deletion(self, request, queryset)
        text = _(
            "Nothing was deleted: the code declares %(names)s, and so it would come back. "
            "Disable it instead."
        )
        self.message_user(request, text % {"names": ", ".join(kept)}, messages.ERROR)
        return None

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        super().delete_model(request, obj)
        self._forget([obj])

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        rows = list(queryset)
        super().delete_queryset(request, queryset)
        self._forget(rows)

    def _forget(self, rows: Iterable[Schedule]) -> None:
        """Remove the schedules' records from Redis; after a fault, maintenance removes them."""
        for row in rows:
            with suppress(JobQueueError, ImproperlyConfigured):
                get_engine(row.alias).schedules.forget(row.name)


def run_now(row: Schedule) -> None:
    """Enqueue a job of a schedule now, whether the schedule is enabled or not.

    Raises: ValueError, TypeError, InvalidTask, JobQueueError, ImproperlyConfigured.
    """
    spec = spec_of(row)
    if spec is None:
        raise ValueError(_("it is gone from the code."))
    backend = spec.task.get_backend()
    if not isinstance(backend, JobQueueBackend):
        text = _("TASKS[“%(alias)s”] is no JobQueueBackend.")
        raise ValueError(text % {"alias": spec.alias})
    prepared = backend.prepare_scheduled(spec.task, spec.args, spec.kwargs, schedule=spec.name)
    stored_at = backend.engine.schedules.run_now(spec.name, prepared.job)
    backend.note_stored([prepared], [stored_at])
