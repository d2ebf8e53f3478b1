"""The workers: which live, and what each of their slots does."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link
from django_jobqueue.admin.live import LiveAdmin
from django_jobqueue.admin.queryset import ListedRows
from django_jobqueue.models import Job, Worker

UNSEEN_MS = 25_000  # two renewals missed, and a little


class WorkerRows(ListedRows[Worker]):
    """All workers of all aliases."""

    def everything(self) -> list[Worker]:
        return [
            Worker.of(alias, stats)
            for alias in self.source.aliases
            for stats in self.source.workers(alias)
        ]


class WorkerAdmin(LiveAdmin[Worker]):
    """Workers: only to be looked at."""

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
    readonly_fields = (*list_display, "alias", "version")

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*self.list_display, *self.alias_column())

    def get_fields(self, request: HttpRequest, obj: Worker | None = None) -> tuple[Any, ...]:
        return (*self.get_list_display(request), "version")

    @admin.display(description=gettext_lazy("state"))
    def health(self, row: Worker) -> SafeString:
        unseen = display.now_ms() - row.stats.seen_at
        if unseen > UNSEEN_MS:
            return display.failure(_("unseen for %(span)s") % {"span": display.span(unseen)})
        if row.stats.fault:
            return display.failure(row.stats.fault)
        if row.stats.stopping:
            symbol, text = "■", _("stopping")
        else:
            symbol, text = "▶", _("live")
        return format_html('<span aria-hidden="true">{}</span> {}', symbol, text)

    @admin.display(description=gettext_lazy("queues"))
    def queues(self, row: Worker) -> str:
        return ", ".join(row.stats.queues) or _("all")

    @admin.display(description=gettext_lazy("busy slots"))
    def slots(self, row: Worker) -> str:
        return f"{len(row.stats.running)}/{row.stats.slots}"

    @admin.display(description=gettext_lazy("runs"))
    def running(self, row: Worker) -> SafeString | str:
        links = [(page_link(self.admin_site, Job, i, i[24:34] or i),) for i in row.stats.running]
        return format_html_join(" ", "{}", links) or display.NOTHING

    @admin.display(description=gettext_lazy("started"))
    def started(self, row: Worker) -> SafeString | str:
        return display.moment_and_age(row.stats.started_at, short=True)

    @admin.display(description=gettext_lazy("last seen"))
    def seen(self, row: Worker) -> SafeString | str:
        return display.moment_and_age(row.stats.seen_at, short=True)

    @admin.display(description=gettext_lazy("version"))
    def version(self, row: Worker) -> str:
        return row.stats.version or display.NOTHING
