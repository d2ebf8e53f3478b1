"""The list of workers, with their health and the jobs that they run."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.links import page_link
from django_jobqueue.admin.rows import ListedRows
from django_jobqueue.admin.worker_actions import WorkerActionsMixin
from django_jobqueue.engine import get_engine
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job, Worker

MOST_SLOTS = 500  # on a page
MOST_NAMED = 5  # jobs of one worker on the list


def _name(job: Snapshot) -> SafeString:
    return display.short_task(job.task, display.NARROW_NAME)


class WorkerRows(ListedRows[Worker]):
    """Load all workers of all aliases."""

    def load_all(self) -> list[Worker]:
        return [row for alias in self.source.aliases for row in self._rows_of(alias)]

    def _rows_of(self, alias: str) -> list[Worker]:
        rows = [Worker.of(alias, stats) for stats in self.source.workers(alias)]
        ids = [job_id for row in rows for job_id in row.stats.running[:MOST_NAMED]]
        nothing: list[Snapshot] = []
        found = self.source.read(alias, lambda seen: seen.jobs(ids), nothing) if ids else nothing
        jobs = {job.id: job for job in found}
        for row in rows:
            row.first_jobs = [jobs[i] for i in row.stats.running[:MOST_NAMED] if i in jobs]
        return rows


class WorkerAdmin(WorkerActionsMixin):
    """Show the workers, and what they run."""

    change_form_template = "admin/django_jobqueue/worker/change_form.html"

    rows = WorkerRows
    list_display = (
        "id",
        "health",
        "queues",
        "slots",
        "running",
        "memory",
        "jobs",
        "started",
        "seen",
    )

    def get_fields(self, request: HttpRequest, obj: Worker | None = None) -> Any:
        return (*self.get_list_display(request), "host", "pid", "version")

    @admin.display(description=gettext_lazy("state"))
    def health(self, row: Worker) -> SafeString:
        now = display.now_ms()
        if row.stats.is_unseen(now, get_engine(row.alias).options.lease_ms):
            unseen = now - row.stats.seen_at
            return display.failure(_("unseen for %(span)s") % {"span": display.span(unseen)})
        if row.stats.fault:
            return display.failure(one_line(row.stats.fault))
        if row.stats.stopping:
            symbol, text = "■", _("stopping")
        elif row.stats.quiet:
            symbol, text = "◐", _("quiet")
        else:
            symbol, text = "▶", _("live")
        return format_html('<span aria-hidden="true">{}</span> {}', symbol, text)

    @admin.display(description=pgettext_lazy("column", "queues"))
    def queues(self, row: Worker) -> str:
        return one_line(", ".join(row.stats.served)) or _("all")

    @admin.display(description=gettext_lazy("busy slots"))
    def slots(self, row: Worker) -> str:
        return f"{len(row.stats.running)}/{row.stats.slots}"

    @admin.display(description=gettext_lazy("runs now"))
    def running(self, row: Worker) -> SafeString | str:
        """Return the tasks of the jobs, each as a link to its job; of many jobs, the first ones."""
        lines = [(page_link(self.admin_site, Job, job.id, _name(job)),) for job in row.first_jobs]
        if (more := len(row.stats.running) - MOST_NAMED) > 0:
            text = ngettext("and %(count)s more", "and %(count)s more", more)
            lines.append((text % {"count": phrases.count(more)},))
        return format_html_join(mark_safe("<br>"), "{}", lines) or display.NOTHING

    @admin.display(description=gettext_lazy("memory"))
    def memory(self, row: Worker) -> SafeString | str:
        if not row.stats.memory:
            return display.NOTHING
        return format_html("<bdi>{}</bdi>", phrases.mebibytes(row.stats.memory))

    @admin.display(description=gettext_lazy("jobs done"))
    def jobs(self, row: Worker) -> str:
        return phrases.count(row.stats.jobs)

    @admin.display(description=gettext_lazy("started"))
    def started(self, row: Worker) -> SafeString | str:
        return display.time_and_age(row.stats.started_at, short=True)

    @admin.display(description=gettext_lazy("last seen"))
    def seen(self, row: Worker) -> SafeString | str:
        return display.time_and_age(row.stats.seen_at, short=True)

    @admin.display(description=gettext_lazy("version"))
    def version(self, row: Worker) -> str:
        return one_line(row.stats.version) or display.NOTHING

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the slots."""
        row = context["original"]
        stacks = None
        if self.has_manage_workers_permission(request):
            stacks = get_engine(row.alias).remote_control.stacks(row.pk)
        context["slots"] = list(self._slots(row, stacks))
        return super().render_change_form(request, context, *args, **kwargs)

    def _slots(
        self, row: Worker, stacks: Mapping[str, str | None] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield each slot with what it runs, and if that was asked, where it is."""
        runs = dict(row.stats.runs)
        jobs = {one.id: one for one in get_engine(row.alias).inspector.jobs(row.stats.running)}
        for name in sorted({*runs, *(stacks or ())}, key=_by_number)[:MOST_SLOTS]:
            stack = (stacks or {}).get(name)
            job = jobs.get(runs.get(name, ""))
            yield {
                "name": one_line(name),
                "job": job and page_link(self.admin_site, Job, job.id, one_line(job.task)),
                "since": job and display.time_and_age(job.attempted_at, short=True),
                "is_told": name in (stacks or ()),
                "stack": display.block(display.cut(stack)) if stack is not None else None,
            }


def _by_number(slot: str) -> tuple[int, str]:
    return len(slot), slot
