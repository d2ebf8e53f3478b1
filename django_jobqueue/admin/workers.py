"""The list of workers, with their health and the jobs that they run."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.rows import ListedRows
from django_jobqueue.engine import get_engine
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job, Worker


class WorkerRows(ListedRows[Worker]):
    """Load all workers of all aliases."""

    def load_all(self) -> list[Worker]:
        return [
            Worker.of(alias, stats)
            for alias in self.source.aliases
            for stats in self.source.workers(alias)
        ]


class WorkerAdmin(LiveModelAdmin[Worker]):
    """Show the workers, read-only."""

    rows = WorkerRows
    list_display = (
        "id",
        "health",
        "host",
        "pid",
        "queues",
        "slots",
        "running",
        "started",
        "seen",
    )

    def get_fields(self, request: HttpRequest, obj: Worker | None = None) -> Any:
        return (*self.get_list_display(request), "version")

    @admin.display(description=gettext_lazy("state"))
    def health(self, row: Worker) -> SafeString:
        now = display.now_ms()
        if row.stats.is_unseen(now, get_engine(row.alias).options.lease_ms):
            unseen = now - row.stats.seen_at
            return display.failure(_("unseen for %(span)s") % {"span": phrases.span(unseen)})
        if row.stats.fault:
            return display.failure(one_line(row.stats.fault))
        if row.stats.stopping:
            symbol, text = "■", _("stopping")
        else:
            symbol, text = "▶", _("live")
        return format_html('<span aria-hidden="true">{}</span> {}', symbol, text)

    @admin.display(description=gettext_lazy("queues"))
    def queues(self, row: Worker) -> str:
        return one_line(", ".join(row.stats.served)) or _("all")

    @admin.display(description=gettext_lazy("busy slots"))
    def slots(self, row: Worker) -> str:
        return f"{len(row.stats.running)}/{row.stats.slots}"

    @admin.display(description=gettext_lazy("runs"))
    def running(self, row: Worker) -> SafeString | str:
        links = [(page_link(self.admin_site, Job, i, i[24:34] or i),) for i in row.stats.running]
        return format_html_join(" ", "{}", links) or display.NOTHING

    @admin.display(description=gettext_lazy("started"))
    def started(self, row: Worker) -> SafeString | str:
        return display.time_and_age(row.stats.started_at, short=True)

    @admin.display(description=gettext_lazy("last seen"))
    def seen(self, row: Worker) -> SafeString | str:
        return display.time_and_age(row.stats.seen_at, short=True)

    @admin.display(description=gettext_lazy("version"))
    def version(self, row: Worker) -> str:
        return one_line(row.stats.version) or display.NOTHING
