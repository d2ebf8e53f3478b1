"""The list of jobs, and its columns. Next: page.py shows one job; actions.py changes jobs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext

from django_jobqueue.admin import display
from django_jobqueue.admin.jobs import filters
from django_jobqueue.admin.jobs.actions import JobActionsMixin
from django_jobqueue.admin.jobs.page import JobPageMixin
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Job


class JobAdmin(JobPageMixin, JobActionsMixin, LiveModelAdmin[Job]):
    """Show the list of jobs; the mixins add the page and the actions."""

    rows = JobRows
    list_display = (
        "short_id",
        "task_name",
        "queue",
        "state_text",
        "enqueued",
        "tries",
        "run_time",
    )
    search_fields = ("task", "id")
    hint = gettext_lazy("Search for a whole job ID, or for parts of the path of a task.")

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return (
            *([filters.AliasFilter] if self.alias_column() else []),
            filters.StateFilter,
            filters.QueueFilter,
            filters.TaskFilter,
            filters.OrderFilter,
        )

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        return (queryset.search(search_term) if search_term.strip() else queryset), False

    @admin.display(description=gettext_lazy("ID"))
    def short_id(self, row: Job) -> SafeString:
        """Return the random part of the id; its first part is the time."""
        shown = row.id[24:34] or row.id
        return format_html('<code title="{}">{}</code>', row.id, shown)

    @admin.display(description=gettext_lazy("task"))
    def task_name(self, row: Job) -> SafeString:
        return display.short_task(row.task)

    @admin.display(description=gettext_lazy("enqueued"))
    def enqueued(self, row: Job) -> SafeString | str:
        return display.time_and_age(row.snapshot.enqueued_at, short=True)

    @admin.display(description=gettext_lazy("state"))
    def state_text(self, row: Job) -> SafeString:
        return display.state_badge(row.snapshot.state)

    @admin.display(description=gettext_lazy("run time"))
    def run_time(self, row: Job) -> SafeString | str:
        """Return the duration of the latest run, until now if it is still running."""
        job = row.snapshot
        if not job.attempted_at:
            return display.NOTHING
        running = job.state is State.RUNNING
        end = display.now_ms() if running else job.finished_at
        return display.duration(max(0, end - job.attempted_at)) if end else display.NOTHING

    @admin.display(description=gettext_lazy("attempts"))
    def tries(self, row: Job) -> SafeString | str:
        """Return the begun and allowed attempts, and the recoveries if there were any."""
        job = row.snapshot
        text = f"{job.attempts + (job.state is State.RUNNING)}/{job.max_attempts}"
        if not job.recoveries:
            return text
        words = ngettext("%(count)d recovery", "%(count)d recoveries", job.recoveries)
        return format_html("<bdi>{}, {}</bdi>", text, words % {"count": job.recoveries})
