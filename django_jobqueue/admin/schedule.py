"""The schedules: what is fired when, and whether it was; enable, disable and run now."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_jobqueue import compat
from django_jobqueue.admin import display
from django_jobqueue.admin.links import list_url, page_url
from django_jobqueue.admin.schedule_page import SchedulePage
from django_jobqueue.admin.schedule_row import absence, attach
from django_jobqueue.admin.source import Source
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.ledger import Schedule
from django_jobqueue.schedules.spec import declared
from django_jobqueue.schedules.stored import definition, enter_declared

REFUSED = (ValueError, TypeError, compat.InvalidTask, JobQueueError, ImproperlyConfigured)


class ScheduleList(ChangeList):
    """The page of the list, whose rows get what Redis knows of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.source = Source()
        rows: Any = list(self.result_list)
        attach(rows, self.source)
        may_see_jobs = request.user.has_perm("django_jobqueue.view_job")
        for row in rows:
            row.may_see_jobs = may_see_jobs
        self.result_list = rows


class ScheduleAdmin(SchedulePage):
    """Schedules: their list, and what one can do with them."""

    list_display = (
        "name",
        "task_name",
        "words",
        "standing",
        "enabled",
        "last_fire",
        "next_fire",
        "left_out",
    )
    search_fields = ("name", "task")
    actions = ("enable_selected", "disable_selected", "run_selected", "delete_selected")

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*self.list_display, *self.alias_column())

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScheduleList

    def has_run_schedule_permission(self, request: HttpRequest) -> bool:
        return self.has_own_permission(request, "run_schedule")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with the schedules of the code, and say if nothing fires them."""
        for alias in Source().aliases:
            enter_declared(alias)
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        response = super().changelist_view(request, title | (extra_context or {}))
        context = getattr(response, "context_data", None)
        if isinstance(response, TemplateResponse) and context and "cl" in context:
            source = context["cl"].source
            live = Schedule.objects.filter(enabled=True).values_list("alias", flat=True)
            said = (absence(source, alias) for alias in sorted(set(live)))
            context["notes"] = [text for text in said if text]
            for fault in source.faults.values():
                self.warn_once(request, fault)
        return response

    @admin.display(description=gettext_lazy("task"), ordering="task")
    def task_name(self, row: Schedule) -> SafeString:
        entry = row.sight.entry
        return display.short_task(entry.task.module_path if entry else row.task)

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        """Store the row; one as in the code says nothing of its own."""
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
        count = self._switch(request, queryset, True, _("Enabled."))
        self._said(
            request,
            ngettext("%(count)d schedule enabled.", "%(count)d schedules enabled.", count),
            count,
        )

    @admin.action(
        permissions=["change"],
        description=gettext_lazy("Disable selected %(verbose_name_plural)s"),
    )
    def disable_selected(self, request: HttpRequest, queryset: Any) -> None:
        count = self._switch(request, queryset, False, _("Disabled."))
        self._said(
            request,
            ngettext("%(count)d schedule disabled.", "%(count)d schedules disabled.", count),
            count,
        )

    def _switch(self, request: HttpRequest, queryset: Any, enabled: bool, log: str) -> int:
        """Change the rows for which that is news; return how many."""
        rows = list(queryset.exclude(enabled=enabled))
        for row in rows:
            row.enabled = enabled
            row.save(update_fields=["enabled", "updated_at"])
        self.log(request, rows, log)
        return len(rows)

    def _said(self, request: HttpRequest, text: str, count: int) -> None:
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % {"count": count}, level)

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
        """Run one schedule now, by POST only, and go back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_run_schedule_permission(request)):
            raise PermissionDenied
        row = super().get_object(request, object_id)
        if row is None:
            self.message_user(request, _("The schedule is gone."), messages.WARNING)
            return HttpResponseRedirect(list_url(self.admin_site, Schedule))
        self._run(request, [row])
        return HttpResponseRedirect(page_url(self.admin_site, Schedule, object_id))

    def _run(self, request: HttpRequest, rows: Iterable[Schedule]) -> None:
        """Enqueue one job of each, say what was done and why something was not."""
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
            text = ngettext(
                "%(count)d schedule is run now.", "%(count)d schedules are run now.", len(done)
            )
            self._said(request, text, len(done))

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Allow it to those who may, and not for what stands in the code: it would come back."""
        if obj is not None and obj.name in declared():
            return False
        return super().has_delete_permission(request, obj)

    @admin.action(
        permissions=["delete"],
        description=gettext_lazy("Delete selected %(verbose_name_plural)s"),
    )
    def delete_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Ask with the stock page, unless one of them stands in the code."""
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
        """Let Redis forget them now; without it they are forgotten by maintenance."""
        for row in rows:
            with suppress(JobQueueError, ImproperlyConfigured):
                get_engine(row.alias).schedules.forget(row.name)


def run_now(row: Schedule) -> None:
    """Enqueue a job of a schedule outside its timetable, enabled or not.

    Raises: ValueError, TypeError, InvalidTask, JobQueueError, ImproperlyConfigured.
    """
    entry = definition(row)
    if entry is None:
        raise ValueError(_("it is gone from the code."))
    backend = entry.task.get_backend()
    if not isinstance(backend, JobQueueBackend):
        text = _("TASKS[“%(alias)s”] is no JobQueueBackend.")
        raise ValueError(text % {"alias": entry.alias})
    store = partial(backend.engine.schedules.run_now, entry.name)
    backend.store_by(store, entry.task, entry.args, entry.kwargs, schedule=entry.name)
