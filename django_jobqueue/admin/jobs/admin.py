"""The list of jobs, and its columns. Next: page.py shows one job; actions.py changes jobs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_jobqueue.admin import display
from django_jobqueue.admin.jobs import filters
from django_jobqueue.admin.jobs.actions import JobActionsMixin
from django_jobqueue.admin.jobs.page import JobPageMixin
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import Progress
from django_jobqueue.models import Job


class JobAdmin(JobPageMixin, JobActionsMixin, LiveModelAdmin[Job]):
    """Show the list of jobs; the mixins add the page and the actions."""

    rows = JobRows
    list_display = (
        "task_name",
        "state_text",
        "queue",
        "wait",
        "run_time",
        "tries",
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

    @admin.display(description=gettext_lazy("task"))
    def task_name(self, row: Job) -> SafeString:
        return display.short_task(row.task)

    @admin.display(description=gettext_lazy("wait"))
    def wait(self, row: Job) -> SafeString | str:
        """Return the time until it began, ended, or is now; the title is when it was enqueued."""
        job = row.snapshot
        end = job.started_at or job.finished_at or display.now_ms()
        text = phrases.span(max(0, end - job.enqueued_at))
        since = _("enqueued at %(time)s") % {"time": phrases.clock(job.enqueued_at)}
        return format_html('<bdi title="{}">{}</bdi>', since, text)

    @admin.display(description=gettext_lazy("state"))
    def state_text(self, row: Job) -> SafeString:
        """Return the state, and the part that is done if the job reports its progress."""
        badge = display.state_badge(row.snapshot.state)
        if row.snapshot.progress is None or row.snapshot.state.is_final:
            return badge
        percent = Progress(*row.snapshot.progress).percent
        return format_html("{} <bdi>{}</bdi>", badge, _("%(percent)d %%") % {"percent": percent})

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
