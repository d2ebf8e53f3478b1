"""The page of one schedule: its form, or what it says; its next fires; where it stands."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link, page_url
from django_jobqueue.admin.live import QueueModelAdmin
from django_jobqueue.admin.schedule_form import ScheduleForm
from django_jobqueue.admin.schedule_row import ORIGINS, Origin, attach, table_of, zone_of
from django_jobqueue.admin.source import Source
from django_jobqueue.conf import load
from django_jobqueue.jobs.redaction import Redactor
from django_jobqueue.ledger import CatchUp, Overlap, Schedule
from django_jobqueue.models import Job
from django_jobqueue.schedules.cron import to_ms
from django_jobqueue.schedules.spec import declared

FACTS = ("last_fire", "next_fire", "left_out")


class SchedulePage(QueueModelAdmin[Schedule]):
    """Show and change one schedule."""

    form = ScheduleForm
    view_on_site = False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Schedule | None:
        """Return the row with what is known of it before a form changes it."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            source = Source()
            attach([row], source)
            for fault in source.faults.values():
                self.warn_once(request, fault)
        return row

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        """Return what is only shown; the name too, if the code gave it."""
        if not self._may_edit(request, obj):
            return tuple(flatten_fieldsets(self._view()))
        if obj is None:
            return ()
        return ("standing", *FACTS, "name") if obj.sight.is_of_code else ("standing", *FACTS)

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        return self._edit(obj) if self._may_edit(request, obj) else self._view()

    def _may_edit(self, request: HttpRequest, obj: Schedule | None) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def _edit(self, obj: Schedule | None) -> list[Any]:
        head: list[Any] = [["name", *self.alias_column()]]
        head += ["standing"] if obj else []
        head += ["from_code"] if obj and obj.sight.is_of_code else []
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
        """Add the next fires, as the form says or as it stands, and the button to run."""
        row, form = context["original"], context["adminform"].form
        context["may_look"] = self._may_edit(request, row)
        if row is not None:
            row.may_see_payload = self.has_own_permission(request, "view_payload")
            row.may_see_sensitive = self.has_own_permission(request, "view_sensitive")
            row.may_see_jobs = self.has_own_permission(request, "view_job")
            context["notes"] = _notes(row)
            if row.sight.entry and self.has_own_permission(request, "run_schedule"):
                context["run_url"] = page_url(self.admin_site, Schedule, str(row.pk), "run")
        timetable = form.timetable if form.is_bound else _timetable(row)
        if timetable is not None:
            context["fires"] = table_of(timetable)
            context["zone"] = zone_of(timetable)
            context["is_preview"] = form.is_bound
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("task"))
    def task_path(self, row: Schedule) -> SafeString:
        return format_html("<code>{}</code>", _path(row))

    @admin.display(description=gettext_lazy("arguments"))
    def call(self, row: Schedule) -> SafeString | str:
        """Return the arguments, without secrets for who may not see these."""
        entry = row.sight.entry
        if entry is None:
            return display.NOTHING
        if not getattr(row, "may_see_payload", False):
            return _("You need the permission to see arguments and results.")
        args, kwargs = entry.args, entry.kwargs
        if not getattr(row, "may_see_sensitive", False):
            words = load(entry.alias).sensitive
            args, kwargs = Redactor(entry.task, words).call(args, kwargs)
        return display.block(display.pretty({"args": args, "kwargs": kwargs}))

    @admin.display(description=gettext_lazy("queue"))
    def queue_name(self, row: Schedule) -> str:
        entry = row.sight.entry
        return entry.task.queue_name if entry else display.NOTHING

    @admin.display(description=gettext_lazy("priority"))
    def priority_number(self, row: Schedule) -> str:
        entry = row.sight.entry
        return str(entry.task.priority) if entry else display.NOTHING

    @admin.display(description=gettext_lazy("when"))
    def words(self, row: Schedule) -> str:
        table = _timetable(row)
        return table.times.describe() if table else display.NOTHING

    @admin.display(description=gettext_lazy("start"))
    def begins(self, row: Schedule) -> SafeString | str:
        table = _timetable(row)
        return display.moment(_ms(table.start) if table else None)

    @admin.display(description=gettext_lazy("end"))
    def ends(self, row: Schedule) -> SafeString | str:
        table = _timetable(row)
        return display.moment(_ms(table.end) if table else None)

    @admin.display(description=gettext_lazy("catch up"))
    def catching_up(self, row: Schedule) -> str:
        table = _timetable(row)
        if table is None:
            return display.NOTHING
        words = str(CatchUp(table.catch_up).label)
        return f"{words}: {table.catch_up_max}" if table.catch_up == CatchUp.ALL else words

    @admin.display(description=gettext_lazy("overlap"))
    def overlapping(self, row: Schedule) -> str:
        entry = row.sight.entry
        return str(Overlap(entry.overlap).label) if entry else display.NOTHING

    @admin.display(description=gettext_lazy("stands"))
    def standing(self, row: Schedule) -> SafeString | str:
        """Return where it stands, and what is wrong with it."""
        text = ORIGINS[row.sight.origin]
        if not row.sight.fault:
            return str(text)
        return format_html("{} {}: {}", text, display.failure(_("broken")), row.sight.fault)

    @admin.display(description=gettext_lazy("last fire"))
    def last_fire(self, row: Schedule) -> SafeString | str:
        """Return the nominal time of the last fire, and a link to its job."""
        stats = row.sight.stats
        if stats is None or not stats.fired_at:
            return display.NOTHING
        shown = display.moment_and_age(stats.nominal_at or stats.fired_at, short=True)
        if not stats.job_id or not getattr(row, "may_see_jobs", False):
            return shown
        return format_html("{} {}", shown, page_link(self.admin_site, Job, stats.job_id, _("job")))

    @admin.display(description=gettext_lazy("next fire"))
    def next_fire(self, row: Schedule) -> SafeString | str:
        at = row.sight.next_at() if row.enabled else None
        return display.moment_and_age(_ms(at), short=True)

    @admin.display(description=gettext_lazy("left out"))
    def left_out(self, row: Schedule) -> str:
        """Return how many times were not fired: nobody was there, or a job was not final."""
        stats = row.sight.stats
        counts = []
        if stats and stats.missed:
            counts.append(_("%(count)d missed") % {"count": stats.missed})
        if stats and stats.overlapped:
            counts.append(_("%(count)d overlapped") % {"count": stats.overlapped})
        return ", ".join(counts) or display.NOTHING


def _notes(row: Schedule) -> list[str]:
    notes = []
    if row.sight.origin is Origin.GONE:
        text = (
            _(
                "The code that runs here declares it no more, so it fires nothing. Delete it; or "
                "untick “as in the code”, and it stands here."
            )
            if row.from_code
            else _(
                "It overrides what the code that runs here declares no more, so it fires nothing. "
                "Delete it; or save it, and it stands here alone."
            )
        )
        notes.append(text)
    if row.sight.origin is Origin.OVERRIDE:
        code = declared()[row.name]
        values = {"task": code.task.module_path, "when": code.timetable.times.describe()}
        notes.append(_("The code says: %(task)s, %(when)s.") % values)
    if not row.enabled:
        notes.append(_("It is disabled, so it fires nothing."))
    return notes


def _path(row: Schedule) -> str:
    return row.sight.entry.task.module_path if row.sight.entry else row.task


def _timetable(row: Schedule | None) -> Any:
    return row.sight.entry.timetable if row is not None and row.sight.entry else None


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)
