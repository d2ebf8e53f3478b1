"""The page of one job, which shows all its data, escaped and read-only.

Next: call.py shows its arguments and its result, runs.py what became of its runs.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin import display
from django_jobqueue.admin.jobs import requests, why
from django_jobqueue.admin.jobs.call import CallDisplay
from django_jobqueue.admin.jobs.runs import History
from django_jobqueue.admin.links import list_link, page_link
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.engine import get_engine
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job, Schedule, Worker


def _time_field(name: str, label: Any) -> Any:
    @admin.display(description=label)
    def field(self: "JobPageMixin", row: Job) -> SafeString | str:
        return display.time_and_age(getattr(row.snapshot, name))

    return field


class JobPageMixin(LiveModelAdmin[Job]):
    """Show the page of one job."""

    view_on_site = False
    call: CallDisplay  # of the request
    history: History  # of the request

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """Return the fields that apply to a job in this state."""
        if obj is None:
            return []
        job = obj.snapshot
        state = ["state_and_reason"]
        has_failed = job.state is State.FAILED or (job.attempts and not job.state.is_final)
        troubles = [["error"]] if has_failed else []
        if not job.state.is_final:
            troubles.append(["whereabouts" if job.state is State.RUNNING else "explanation"])
        progress = [["progress"]] if job.progress else []
        task = [["task_path"]] + ([["schedule"]] if job.schedule else [])
        task += [["tags"]] if job.tags else []
        task += [["requests"]] if self._requests(job.id) else []
        where = ["queue", "priority", *self.alias_column()]
        when = ["enqueued_at"]
        when += ["due_at"] if job.state is State.SCHEDULED else []
        when += ["expires_at"] if job.expires and not job.attempted_at else []
        when += ["started_at"] if job.started_at not in (None, 0, job.attempted_at) else []
        when += ["attempted_at"] if job.attempted_at else []
        when += ["finished_at"] if job.finished_at else []
        has_result = ["result"] if job.state is State.SUCCEEDED else []
        is_timed = job.state is State.RUNNING or job.finished_at
        runs = ["tries"] + (["run_time"] if job.attempted_at and is_timed else [])
        runs += ["worker"] if job.attempted_at else []
        return [
            (None, {"fields": [state, *troubles, *progress, *task, where]}),
            (_("Call"), {"fields": ["arguments", *has_result]}),
            (_("Times"), {"fields": when}),
            (_("Attempts"), {"fields": [runs]}),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Read the whole job, and add its runs and its log to the page.

        Raises: JobNotFound if the job no longer exists.
        """
        row = context["original"]
        row.snapshot = get_engine(row.alias).inspector.job(row.id)
        self.call = CallDisplay(row.alias, row.snapshot, self.viewer)
        is_open = self.viewer.may("view_payload")  # tasks write what they like into these texts
        self.history = History(row.snapshot, is_open=is_open)
        context |= {"events": self.history.events(), "is_closed": not is_open}
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("state"))
    def state_and_reason(self, row: Job) -> SafeString:
        badge = display.state_badge(row.snapshot.state)
        if row.snapshot.cancelling:
            return format_html("{}: {}", badge, _("it is to end, somebody has cancelled it"))
        if not row.snapshot.reason:
            return badge
        return format_html("{}: {}", badge, phrases.reason(row.snapshot.reason))

    @admin.display(description=gettext_lazy("why it is not running"))
    def explanation(self, row: Job) -> SafeString | str:
        return why.explanation(self.admin_site, row)

    @admin.display(description=gettext_lazy("where it runs"))
    def whereabouts(self, row: Job) -> SafeString | str:
        return self.explanation(row)

    @admin.display(description=gettext_lazy("latest error"))
    def error(self, row: Job) -> SafeString | str:
        said = self.history.error()
        return format_html('<bdi class="jobqueue-error">{}</bdi>', said) if said else "–"

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, row: Job) -> SafeString | str:
        if row.snapshot.progress is None:
            return display.NOTHING
        current, total, said = row.snapshot.progress
        text = one_line(said) if self.viewer.may("view_payload") else ""
        return format_html(
            '<progress value="{}" max="{}" aria-label="{}"></progress> <bdi>{}</bdi>',
            str(max(0, min(current, total))),
            str(max(1, total)),
            _("Progress"),
            _("%(current)d of %(total)d %(text)s")
            % {"current": current, "total": total, "text": text},
        )

    @admin.display(description=gettext_lazy("task"))
    def task_path(self, row: Job) -> SafeString | str:
        """Return the task's path, with a link to its failed jobs unless it is cut."""
        shown = one_line(row.task)
        if shown != row.task:
            return format_html("<code>{}</code>", shown)
        where = {"alias": row.alias} if self.alias_column() else {}
        text = _("failed jobs of this task")
        state = State.FAILED.value
        link = list_link(self.admin_site, Job, text, state=state, task=row.task, **where)
        return format_html('<code>{}</code> <span class="jobqueue-age">({})</span>', shown, link)

    @admin.display(description=gettext_lazy("schedule"))
    def schedule(self, row: Job) -> SafeString:
        """Return a link to the job's schedule, and the job's nominal time."""
        name = row.snapshot.schedule
        found = Schedule.objects.filter(name=name).values_list("pk", flat=True).first()
        link = name if found is None else page_link(self.admin_site, Schedule, str(found), name)
        if row.snapshot.nominal_at is None:
            return format_html("{}: {}", link, _("run by hand"))
        return format_html("{}: {}", link, display.time_and_age(row.snapshot.nominal_at))

    @admin.display(description=gettext_lazy("tags"))
    def tags(self, row: Job) -> SafeString:
        """Return links to the jobs of each tag."""
        where = {"alias": row.alias} if self.alias_column() else {}
        site, tags = self.admin_site, row.snapshot.tags
        links = ((list_link(site, Job, one_line(tag), tag=tag, **where),) for tag in tags)
        return format_html_join(" ", "{}", links)

    @admin.display(description=gettext_lazy("requests"))
    def requests(self, row: Job) -> SafeString | str:
        """Return links to what people have asked for and the job does."""
        return self._requests(row.id)

    def _requests(self, job_id: str) -> SafeString:
        if not requests.are_shown(self.viewer):
            return SafeString()
        return requests.links(self.admin_site, job_id)

    enqueued_at = _time_field("enqueued_at", gettext_lazy("enqueued"))
    due_at = _time_field("due_at", gettext_lazy("due"))
    expires_at = _time_field("expires_at", gettext_lazy("expires"))
    started_at = _time_field("started_at", gettext_lazy("first started"))
    attempted_at = _time_field("attempted_at", gettext_lazy("last started"))
    finished_at = _time_field("finished_at", gettext_lazy("finished"))

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, row: Job) -> SafeString | str:
        """Return the worker of the latest run, as a link while the job runs."""
        if row.snapshot.state is State.RUNNING:
            return page_link(self.admin_site, Worker, row.snapshot.worker)
        return one_line(row.snapshot.worker) or display.NOTHING

    @admin.display(description=gettext_lazy("arguments"))
    def arguments(self, row: Job) -> SafeString | str:
        return self.call.arguments()

    @admin.display(description=gettext_lazy("result"))
    def result(self, row: Job) -> SafeString | str:
        return self.call.result()
