"""The list of jobs, and its columns. Next: page.py shows one job; actions.py changes jobs."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from django_jobqueue.admin import display, pages
from django_jobqueue.admin.failures import failures_view
from django_jobqueue.admin.jobs import filters
from django_jobqueue.admin.jobs.actions import JobActionsMixin
from django_jobqueue.admin.jobs.page import JobPageMixin
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.jobs.workflow import JobWorkflowMixin
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.run.view import run_view, runnable
from django_jobqueue.admin.tasks import tasks_view
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import Progress
from django_jobqueue.models import Job
from django_jobqueue.steering.selection import Depth

VIEWS = {"failures": failures_view, "tasks": tasks_view}


def depth_of(viewer: Viewer) -> Depth:
    """Return where a user's words are looked for: only where the user may read."""
    if not viewer.may("view_payload"):
        return Depth.ERRORS
    return Depth.SECRETS if viewer.may("view_sensitive") else Depth.TEXTS


class JobAdmin(JobPageMixin, JobWorkflowMixin, JobActionsMixin, LiveModelAdmin[Job]):
    """Show the list of jobs; the mixins add the page and the actions."""

    rows = JobRows
    list_display = (
        "task_name",
        "state_text",
        "queue",
        "enqueued",
        "wait",
        "run_time",
        "tries",
    )
    search_fields = ("task", "id")
    hint = gettext_lazy(
        "Search for a whole job ID, or for words in the path of a task, the ID, the arguments and "
        "the error; tag:NAME finds the jobs of a tag."
    )

    def get_urls(self) -> list[URLPattern]:
        return [*(self._page(name, view) for name, view in VIEWS.items()), *super().get_urls()]

    def _page(self, name: str, view: Any) -> URLPattern:
        shown = self.admin_site.admin_view(partial(view, site=self.admin_site))
        return path(f"{name}/", shown, name=pages.name_of(name))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may run a task: that adds a job."""
        return bool(runnable(request.user))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.or_to_list(request, run_view, self)

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return (
            *([filters.AliasFilter] if self.alias_column() else []),
            filters.StateFilter,
            filters.QueueFilter,
            filters.OnlyFilter,
            filters.TimeFilter,
            filters.TagFilter,
            filters.ExceptionFilter,
            filters.TaskFilter,
            filters.OrderFilter,
        )

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        return (queryset.search(search_term) if search_term.strip() else queryset), False

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        rows.depth = depth_of(Viewer(request.user))
        return rows

    @admin.display(description=gettext_lazy("task"))
    def task_name(self, row: Job) -> SafeString:
        return display.short_task(row.task)

    @admin.display(description=pgettext_lazy("column", "enqueued"))
    def enqueued(self, row: Job) -> SafeString | str:
        return display.age_of(row.snapshot.enqueued_at)

    @admin.display(description=pgettext_lazy("column", "wait"))
    def wait(self, row: Job) -> SafeString | str:
        """Return the time until it began, ended, or is now."""
        job = row.snapshot
        end = job.started_at or job.finished_at or display.now_ms()
        return display.duration(max(0, end - job.enqueued_at))

    @admin.display(description=gettext_lazy("state"))
    def state_text(self, row: Job) -> SafeString:
        """Return the state, and the part that is done if the job reports its progress."""
        badge = display.state_badge(row.snapshot.state)
        if row.snapshot.progress is None or row.snapshot.state is not State.RUNNING:
            return badge
        percent = Progress(*row.snapshot.progress).percent
        return format_html("{} <bdi>{}</bdi>", badge, _("%(percent)d %%") % {"percent": percent})

    @admin.display(description=pgettext_lazy("column", "run time"))
    def run_time(self, row: Job) -> SafeString | str:
        """Return the duration of the latest run, until now if it is still running."""
        job = row.snapshot
        if not job.attempted_at:
            return display.NOTHING
        running = job.state is State.RUNNING
        end = display.now_ms() if running else job.finished_at
        return display.duration(max(0, end - job.attempted_at)) if end else display.NOTHING

    @admin.display(description=pgettext_lazy("column", "attempts"))
    def tries(self, row: Job) -> SafeString | str:
        """Return the begun and allowed attempts, and the recoveries if there were any."""
        job = row.snapshot
        text = f"{job.attempts + (job.state is State.RUNNING)}/{job.max_attempts}"
        if not job.recoveries:
            return text
        words = ngettext("%(count)d recovery", "%(count)d recoveries", job.recoveries)
        return format_html("<bdi>{}, {}</bdi>", text, words % {"count": job.recoveries})
