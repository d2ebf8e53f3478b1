"""The queue list, which is the dashboard: what stands where, and whether it moves."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.links import list_link
from django_jobqueue.admin.live import LiveAdmin
from django_jobqueue.admin.queryset import ListedRows
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.queues import Queues
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import State
from django_jobqueue.models import Job, Queue

PAUSED = ngettext_lazy("%(count)d queue paused.", "%(count)d queues paused.", "count")
RESUMED = ngettext_lazy("%(count)d queue resumed.", "%(count)d queues resumed.", "count")


class QueueRows(ListedRows[Queue]):
    """All queues of all aliases."""

    def everything(self) -> list[Queue]:
        several = len(self.source.aliases) > 1
        return [
            Queue.of(f"{alias}/{stats.name}" if several else stats.name, alias, stats)
            for alias in self.source.aliases
            for stats in self.source.stats(alias)
        ]


class QueueAdmin(LiveAdmin[Queue]):
    """Queues: counts with links to the jobs, pause and resume."""

    rows = QueueRows
    counts = ("running", "queued", "waiting", "scheduled", "failed", "succeeded", "cancelled")
    list_display = ("name", "flag", *counts, "oldest")
    readonly_fields = ("name", "alias", "flag", *counts, "oldest")
    actions = ("pause_selected", "resume_selected")

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*self.list_display, *self.alias_column())

    def get_fields(self, request: HttpRequest, obj: Queue | None = None) -> tuple[Any, ...]:
        return self.get_list_display(request)

    def has_pause_queue_permission(self, request: HttpRequest) -> bool:
        return self.has_own_permission(request, "pause_queue")

    @admin.action(
        permissions=["pause_queue"],
        description=gettext_lazy("Pause selected %(verbose_name_plural)s"),
    )
    def pause_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._change(request, queryset, Queues.pause, PAUSED, _("Paused."))

    @admin.action(
        permissions=["pause_queue"],
        description=gettext_lazy("Resume selected %(verbose_name_plural)s"),
    )
    def resume_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._change(request, queryset, Queues.resume, RESUMED, _("Resumed."))

    def _change(
        self,
        request: HttpRequest,
        rows: Iterable[Queue],
        act: Callable[[Queues, str], bool],
        done: Promise,
        log: str,
    ) -> None:
        """Pause or resume; log and count the queues for which that is news."""
        changed = []
        try:
            for row in rows:
                if act(get_engine(row.alias).queues, row.name):
                    changed.append(row)  # noqa: PERF401 - those before a fault count
        except JobQueueError as error:
            self.message_user(request, str(error), messages.ERROR)
        self.log(request, changed, log)
        text = str(done % {"count": len(changed)})
        self.message_user(request, text, messages.SUCCESS if changed else messages.WARNING)

    @admin.display(description=gettext_lazy("claims"))
    def flag(self, row: Queue) -> SafeString:
        """Return whether its jobs are claimed, as symbol and text."""
        if row.paused:
            symbol, text = "‖", _("paused")
        else:
            symbol, text = "▶", _("open")
        return format_html('<span aria-hidden="true">{}</span> {}', symbol, text)

    @admin.display(description=gettext_lazy("oldest queued"))
    def oldest(self, row: Queue) -> str:
        """Return how long ago the job that is claimed next was enqueued."""
        at = row.stats.oldest_at
        return display.span(max(0, display.now_ms() - at)) if at else display.NOTHING

    @admin.display(description=display.STATES[State.RUNNING])
    def running(self, row: Queue) -> SafeString | str:
        return self._count(row, State.RUNNING)

    @admin.display(description=display.STATES[State.QUEUED])
    def queued(self, row: Queue) -> SafeString | str:
        return self._count(row, State.QUEUED)

    @admin.display(description=display.STATES[State.WAITING])
    def waiting(self, row: Queue) -> SafeString | str:
        return self._count(row, State.WAITING)

    @admin.display(description=display.STATES[State.SCHEDULED])
    def scheduled(self, row: Queue) -> SafeString | str:
        return self._count(row, State.SCHEDULED)

    @admin.display(description=display.STATES[State.FAILED])
    def failed(self, row: Queue) -> SafeString | str:
        return self._count(row, State.FAILED)

    @admin.display(description=display.STATES[State.SUCCEEDED])
    def succeeded(self, row: Queue) -> SafeString | str:
        return self._count(row, State.SUCCEEDED)

    @admin.display(description=display.STATES[State.CANCELLED])
    def cancelled(self, row: Queue) -> SafeString | str:
        return self._count(row, State.CANCELLED)

    def _count(self, row: Queue, state: State) -> SafeString | str:
        """Return a count with a link to these jobs; nothing leads nowhere."""
        count = row.stats.counts[state]
        if not count:
            return "0"
        where = {"alias": row.alias} if self.alias_column() else {}
        label = _("%(count)d %(state)s in %(queue)s") % {
            "count": count,
            "state": display.STATES[state],
            "queue": row.name,
        }
        return list_link(
            self.admin_site, Job, count, label, state=state.value, queue=row.name, **where
        )
