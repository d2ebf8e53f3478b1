"""The list of schedules. Next: page.py shows one schedule; actions.py changes schedules."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.live import JobQueueModelAdmin
from django_jobqueue.admin.schedules.actions import ScheduleActionsMixin
from django_jobqueue.admin.schedules.page import SchedulePageMixin
from django_jobqueue.admin.schedules.status import no_scheduler_note
from django_jobqueue.models import Schedule
from django_jobqueue.schedules.spec import declared


class ScheduleChangeList(ChangeList):
    """A list that reads the statuses of the rows on its page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Any = list(self.result_list)
        self.result_list = rows
        model_admin: Any = self.model_admin
        model_admin.statuses.read(rows)


class ScheduleAdmin(SchedulePageMixin, ScheduleActionsMixin, JobQueueModelAdmin[Schedule]):
    """Show the list of schedules; the mixins add the page and the actions."""

    list_display = (
        "name",
        "task_name",
        "words",
        "standing",
        "enabled",
        "last_fire",
        "next_fire",
        "not_fired",
    )
    search_fields = ("name", "task")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScheduleChangeList

    def notes(self, changelist: ChangeList) -> list[str]:
        """Return notes on schedules without a row and on aliases without a scheduler."""
        entered = set(Schedule.objects.values_list("name", flat=True))
        missing = [
            entry
            for name, entry in sorted(declared().items())
            if name not in entered and entry.alias in self.source.aliases
        ]
        enabled = Schedule.objects.filter(enabled=True).values_list("alias", flat=True)
        fired = {*enabled, *(entry.alias for entry in missing)}
        found = [no_scheduler_note(self.source, alias) for alias in sorted(fired)]
        if missing:
            text = _(
                "Declared in the code, and not on this list yet: %(names)s. A scheduler enters "
                "them when it starts, and so does manage.py migrate."
            )
            found.append(text % {"names": ", ".join(entry.name for entry in missing)})
        return [text for text in found if text]

    @admin.display(description=gettext_lazy("task"), ordering="task")
    def task_name(self, row: Schedule) -> SafeString:
        return display.short_task(self.statuses.of(row).task_path or row.task)
