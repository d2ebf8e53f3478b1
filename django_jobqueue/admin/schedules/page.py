"""The page of one schedule: its form or read-only fields, its next fires and its status."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Self

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link, page_url
from django_jobqueue.admin.live import JobQueueModelAdmin
from django_jobqueue.admin.schedules.form import ScheduleForm
from django_jobqueue.admin.schedules.status import (
    ORIGINS,
    Origin,
    ScheduleStatus,
    Statuses,
    table_of,
    zone_of,
)
from django_jobqueue.conf import load
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.models import CatchUp, Job, Overlap, Schedule
from django_jobqueue.schedules.cron import to_ms
from django_jobqueue.schedules.spec import ScheduleSpec, declared
from django_jobqueue.schedules.timetable import Timetable

FACTS = ("last_fire", "next_fire", "not_fired")


def _entry_field(label: Any, show: Callable[[ScheduleSpec], SafeString | str]) -> Any:
    @admin.display(description=label)
    def field(self: "SchedulePageMixin", row: Schedule) -> SafeString | str:
        entry = self.statuses.of(row).entry
        return show(entry) if entry else display.NOTHING

    return field


def _time(at: datetime | None) -> SafeString | str:
    return display.time_of(_ms(at))


def _isolated(timetable: Timetable) -> SafeString:
    """Return when it fires, apart from the writing direction of the text around it."""
    return format_html("<bdi>{}</bdi>", timetable.times.describe())


class SchedulePageMixin(JobQueueModelAdmin[Schedule]):
    """Show and change one schedule."""

    form = ScheduleForm
    view_on_site = False
    statuses: Statuses  # of the request

    def for_request(self, request: HttpRequest) -> Self:
        mine = super().for_request(request)
        mine.statuses = Statuses(mine.source)
        return mine

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        """Return the read-only fields; a name from the code is one of them."""
        if not self._may_edit(request, obj):
            return tuple(flatten_fieldsets(self._view()))
        if obj is None:
            return ()
        return (
            ("standing", *FACTS, "name")
            if self.statuses.of(obj).is_of_code
            else ("standing", *FACTS)
        )

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        return self._edit(obj) if self._may_edit(request, obj) else self._view()

    def _may_edit(self, request: HttpRequest, obj: Schedule | None) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def _edit(self, obj: Schedule | None) -> list[Any]:
        head: list[Any] = [["name", *self.alias_column()]]
        head += ["standing"] if obj else []
        head += ["from_code"] if obj and self.statuses.of(obj).is_of_code else []
        found = [
            (None, {"fields": [*head, "enabled"]}),
            (_("Call"), {"fields": ["task", "args", "kwargs", "queue", "priority"]}),
            (_("Times"), {"fields": ["cron", "timezone", "every_seconds", "start", "end"]}),
            (_("When late"), {"fields": ["catch_up", "catch_up_max", "overlap"]}),
        ]
        return [*found, (_("So far"), {"fields": [FACTS]})] if obj else found

    def _view(self) -> list[Any]:
        return [
            (None, {"fields": [["name", *self.alias_column()], "standing", "enabled"]}),
            (_("Call"), {"fields": ["task_path", "call", ["queue_name", "priority_number"]]}),
            (_("Times"), {"fields": ["words", ["begins", "ends"]]}),
            (_("When late"), {"fields": [["catching_up", "overlapping"]]}),
            (_("So far"), {"fields": [FACTS]}),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the next fires, of the submitted form or the stored schedule, and the run button."""
        row, form = context["original"], context["adminform"].form
        context["may_look"] = self._may_edit(request, row)
        status = None if row is None else self.statuses.of(row)
        if status is not None:
            context["notes"] = _notes(row, status)
            if status.entry and self.viewer.may("run_schedule"):
                context["run_url"] = page_url(self.admin_site, Schedule, str(row.pk), "run")
            for fault in self.source.faults.values():
                self.warn_once(request, fault)
        stored = status.timetable if status else None
        timetable = form.timetable if form.is_bound else stored
        if timetable is not None:
            context["fires"] = table_of(timetable)
            context["zone"] = zone_of(timetable)
            context["is_preview"] = form.is_bound
        # Else the address of a preview, #next-fires, would hide the errors of the next attempt.
        kwargs["form_url"] = kwargs.get("form_url") or request.get_full_path()
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("task"))
    def task_path(self, row: Schedule) -> SafeString:
        return format_html("<code>{}</code>", self.statuses.of(row).task_path or row.task)

    @admin.display(description=gettext_lazy("arguments"))
    def call(self, row: Schedule) -> SafeString | str:
        """Return the arguments; redact secrets unless the user may see them."""
        entry = self.statuses.of(row).entry
        if entry is None:
            return display.NOTHING
        if not self.viewer.may("view_payload"):
            return _("You need the permission to see arguments and results.")
        args, kwargs = entry.args, entry.kwargs
        if not self.viewer.may("view_sensitive"):
            words = load(entry.alias).sensitive
            args, kwargs = Redactor(entry.task, words).call(args, kwargs)
        return display.block(display.pretty({"args": args, "kwargs": kwargs}))

    queue_name = _entry_field(gettext_lazy("queue"), lambda entry: entry.task.queue_name)
    priority_number = _entry_field(gettext_lazy("priority"), lambda entry: str(entry.task.priority))
    words = _entry_field(gettext_lazy("when"), lambda entry: _isolated(entry.timetable))
    begins = _entry_field(gettext_lazy("start"), lambda entry: _time(entry.timetable.start))
    ends = _entry_field(gettext_lazy("end"), lambda entry: _time(entry.timetable.end))
    overlapping = _entry_field(
        gettext_lazy("overlap"), lambda entry: str(Overlap(entry.overlap).label)
    )

    @admin.display(description=gettext_lazy("catch up"))
    def catching_up(self, row: Schedule) -> str:
        table = self.statuses.of(row).timetable
        if table is None:
            return display.NOTHING
        words = str(CatchUp(table.catch_up).label)
        return f"{words}: {table.catch_up_max}" if table.catch_up == CatchUp.ALL else words

    @admin.display(description=gettext_lazy("defined"))
    def standing(self, row: Schedule) -> SafeString | str:
        """Return where the schedule is defined, and its fault if it is broken."""
        status = self.statuses.of(row)
        text = ORIGINS[status.origin]
        if not status.fault:
            return str(text)
        return format_html("{} {}: {}", text, display.failure(_("broken")), status.fault)

    @admin.display(description=gettext_lazy("last fire"))
    def last_fire(self, row: Schedule) -> SafeString | str:
        """Return the nominal time of the last fire, and a link to its job."""
        stats = self.statuses.of(row).stats
        if stats is None or not stats.fired_at:
            return display.NOTHING
        shown = display.time_and_age(stats.nominal_at or stats.fired_at, short=True)
        if not stats.job_id or not self.viewer.may("view_job"):
            return shown
        return format_html("{} {}", shown, page_link(self.admin_site, Job, stats.job_id, _("job")))

    @admin.display(description=gettext_lazy("next fire"))
    def next_fire(self, row: Schedule) -> SafeString | str:
        at = self.statuses.of(row).next_at() if row.enabled else None
        return display.time_and_age(_ms(at), short=True)

    @admin.display(description=gettext_lazy("not fired"))
    def not_fired(self, row: Schedule) -> str:
        """Return the counts of missed nominal times and of those skipped for an overlap."""
        stats = self.statuses.of(row).stats
        counts = []
        if stats and stats.missed:
            counts.append(_("%(count)d missed") % {"count": stats.missed})
        if stats and stats.overlapped:
            counts.append(_("%(count)d overlapped") % {"count": stats.overlapped})
        return ", ".join(counts) or display.NOTHING


def _notes(row: Schedule, status: ScheduleStatus) -> list[str]:
    notes = []
    if status.origin is Origin.GONE:
        text = (
            _(
                "The code that runs here declares it no more, so it fires nothing. Delete it; or "
                "untick “as in the code”, and the admin defines it."
            )
            if row.from_code
            else _(
                "It overrides what the code that runs here declares no more, so it fires nothing. "
                "Delete it; or save it, and the admin alone defines it."
            )
        )
        notes.append(text)
    if status.origin is Origin.OVERRIDE:
        code = declared()[row.name]
        values = {"task": code.task.module_path, "when": code.timetable.times.describe()}
        notes.append(_("The code says: %(task)s, %(when)s.") % values)
    if not row.enabled:
        notes.append(_("It is disabled, so it fires nothing."))
    return notes


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)
