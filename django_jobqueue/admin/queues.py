"""The list of queues, the admin's dashboard: counts per state, and pause and resume."""

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
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.rows import ListedRows
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.queues import Queues
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job, Queue

PAUSED = ngettext_lazy("%(count)d queue paused.", "%(count)d queues paused.", "count")
RESUMED = ngettext_lazy("%(count)d queue resumed.", "%(count)d queues resumed.", "count")


def _count_column(state: State) -> Any:
    @admin.display(description=display.STATES[state])
    def column(self: "QueueAdmin", row: Queue) -> SafeString | str:
        return self.count_link(row, state)

    return column


class QueueRows(ListedRows[Queue]):
    """Load all queues of all aliases."""

    def load_all(self) -> list[Queue]:
        several = len(self.source.aliases) > 1
        return [
            Queue.of(f"{alias}/{stats.name}" if several else stats.name, alias, stats)
            for alias in self.source.aliases
            for stats in self.source.stats(alias)
        ]


class QueueAdmin(LiveModelAdmin[Queue]):
    """Show the queues with links to their jobs; pause and resume them."""

    rows = QueueRows
    counts = ("running", "queued", "scheduled", "failed", "succeeded", "cancelled")
    list_display = ("name", "flag", *counts, "oldest")
    actions = ("pause_selected", "resume_selected")

    def get_fields(self, request: HttpRequest, obj: Queue | None = None) -> Any:
        return self.get_list_display(request)

    def has_pause_queue_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("pause_queue")

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
        """Pause or resume queues; log and count those that changed."""
        changed = []
        try:
            for row in rows:
                if act(get_engine(row.alias).queues, row.name):
                    changed.append(row)  # noqa: PERF401 - keep those before a fault
        except JobQueueError as error:
            self.message_user(request, str(error), messages.ERROR)
        self.log(request, changed, log)
        text = str(done % {"count": len(changed)})
        self.message_user(request, text, messages.SUCCESS if changed else messages.WARNING)

    @admin.display(description=gettext_lazy("state"))
    def flag(self, row: Queue) -> SafeString:
        """Return whether the queue is paused, as a symbol and a text."""
        if row.paused:
            symbol, text = "‖", _("paused")
        else:
            symbol, text = "▶", _("active")
        return format_html('<span aria-hidden="true">{}</span> {}', symbol, text)

    @admin.display(description=gettext_lazy("oldest queued"))
    def oldest(self, row: Queue) -> SafeString | str:
        """Return the time since the job that is claimed next was enqueued."""
        at = row.stats.oldest_at
        return display.duration(max(0, display.now_ms() - at)) if at else display.NOTHING

    running = _count_column(State.RUNNING)
    queued = _count_column(State.QUEUED)
    scheduled = _count_column(State.SCHEDULED)
    failed = _count_column(State.FAILED)
    succeeded = _count_column(State.SUCCEEDED)
    cancelled = _count_column(State.CANCELLED)

    def count_link(self, row: Queue, state: State) -> SafeString | str:
        """Return a count, with a link to these jobs if there are any."""
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
