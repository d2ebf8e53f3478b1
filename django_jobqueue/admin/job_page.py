"""The page of one job: all that is known of it, escaped, and nothing to edit."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_jobqueue.admin import display
from django_jobqueue.admin.job_actions import JobActions
from django_jobqueue.admin.links import list_link, page_link, page_url
from django_jobqueue.admin.verbs import CANCEL, REQUEUE
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import BadSignature, JobQueueError, TaskUnknown
from django_jobqueue.jobs.attempt import Run
from django_jobqueue.jobs.job import State
from django_jobqueue.jobs.payload import load_call, load_value
from django_jobqueue.jobs.redaction import HIDDEN, Redactor
from django_jobqueue.models import Job, Schedule, Worker
from django_jobqueue.task import find

FIELDS = (
    "alias",
    "state_and_reason",
    "place",
    "progress",
    "task_path",
    "schedule",
    "queue",
    "priority",
    "enqueued_at",
    "due_at",
    "started_at",
    "attempted_at",
    "finished_at",
    "run_time",
    "tries",
    "worker",
    "arguments",
    "result",
)


class JobPage(JobActions):
    """Show one job."""

    readonly_fields = FIELDS
    view_on_site = False

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """Return the fields that say something of a job in this state."""
        if obj is None:
            return []
        job = obj.snapshot
        state = ["state_and_reason"] + (["place"] if job.state is State.QUEUED else [])
        progress = [["progress"]] if job.progress else []
        task = [["task_path"]] + ([["schedule"]] if job.schedule else [])
        where = ["queue", "priority", *self.alias_column()]
        when = ["enqueued_at"]
        when += ["due_at"] if job.state is State.SCHEDULED else []
        when += ["started_at"] if job.started_at != job.attempted_at else []
        when += ["attempted_at"] if job.attempted_at else []
        when += ["finished_at"] if job.finished_at else []
        runs = ["tries"] + (["run_time", "worker"] if job.attempted_at else [])
        return [
            (None, {"fields": [state, *progress, *task, where]}),
            (_("Call"), {"fields": ["arguments", "result"]}),
            (_("Times"), {"fields": [when]}),
            (_("Attempts"), {"fields": [runs]}),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the runs, the log and the buttons that this user has for a job in this state."""
        row = context["original"]
        context["runs"] = [_run(run) for run in row.snapshot.runs]
        context["verbs"] = [
            {"text": text, "url": page_url(self.admin_site, Job, row.pk, verb.name)}
            for verb, text in ((REQUEUE, _("Requeue")), (CANCEL, _("Cancel job")))
            if verb.suits(row.snapshot.state) and self.may(verb, request)
            if not (verb is CANCEL and row.snapshot.cancelling)  # it is told already
        ]
        context["log"] = [
            {"at": display.instant(at), "text": text} for at, text in row.snapshot.log
        ]
        row.may_see_payload = self.has_own_permission(request, "view_payload")
        row.may_see_sensitive = self.has_own_permission(request, "view_sensitive")
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("state"))
    def state_and_reason(self, row: Job) -> SafeString:
        badge = display.state_badge(row.snapshot.state)
        if row.snapshot.cancelling:
            return format_html("{}: {}", badge, _("it is to end, somebody has cancelled it"))
        if not row.snapshot.reason:
            return badge
        return format_html("{}: {}", badge, display.reason(row.snapshot.reason))

    @admin.display(description=gettext_lazy("position"))
    def place(self, row: Job) -> str:
        try:
            before = get_engine(row.alias).inspector.position(row.snapshot)
        except JobQueueError:  # Redis has gone since the job was read
            before = None
        if before is None:
            return display.NOTHING
        if not before:
            return _("next in its queue")
        text = ngettext("%(count)d job before it", "%(count)d jobs before it", before)
        return text % {"count": before}

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, row: Job) -> SafeString | str:
        if row.snapshot.progress is None:
            return display.NOTHING
        current, total, text = row.snapshot.progress
        return format_html(
            '<progress value="{}" max="{}" aria-label="{}"></progress> '
            '<span class="jobqueue-plain">{}</span>',
            str(max(0, min(current, total))),
            str(max(1, total)),
            _("Progress"),
            _("%(current)d of %(total)d %(text)s")
            % {"current": current, "total": total, "text": text},
        )

    @admin.display(description=gettext_lazy("task"))
    def task_path(self, row: Job) -> SafeString | str:
        """Return the path, with a link to the task's failed jobs."""
        where = {"alias": row.alias} if self.alias_column() else {}
        link = list_link(
            self.admin_site,
            Job,
            _("failed jobs of this task"),
            state=State.FAILED.value,
            task=row.task,
            **where,
        )
        return format_html('<code>{}</code> <span class="jobqueue-age">({})</span>', row.task, link)

    @admin.display(description=gettext_lazy("schedule"))
    def schedule(self, row: Job) -> SafeString:
        """Return the schedule that stored the job, and its time for which it did."""
        name = row.snapshot.schedule
        found = Schedule.objects.filter(name=name).values_list("pk", flat=True).first()
        link = name if found is None else page_link(self.admin_site, Schedule, str(found), name)
        if row.snapshot.nominal_at is None:
            return format_html("{}: {}", link, _("run by hand"))
        return format_html("{}: {}", link, display.moment_and_age(row.snapshot.nominal_at))

    @admin.display(description=gettext_lazy("enqueued"))
    def enqueued_at(self, row: Job) -> SafeString | str:
        return display.moment_and_age(row.snapshot.enqueued_at)

    @admin.display(description=gettext_lazy("due"))
    def due_at(self, row: Job) -> SafeString | str:
        return display.moment_and_age(row.snapshot.due_at)

    @admin.display(description=gettext_lazy("first started"))
    def started_at(self, row: Job) -> SafeString | str:
        return display.moment_and_age(row.snapshot.started_at)

    @admin.display(description=gettext_lazy("last started"))
    def attempted_at(self, row: Job) -> SafeString | str:
        return display.moment_and_age(row.snapshot.attempted_at)

    @admin.display(description=gettext_lazy("finished"))
    def finished_at(self, row: Job) -> SafeString | str:
        return display.moment_and_age(row.snapshot.finished_at)

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, row: Job) -> SafeString | str:
        """Return the worker of the latest run; it surely has a page while the job runs."""
        if row.snapshot.state is State.RUNNING:
            return page_link(self.admin_site, Worker, row.snapshot.worker)
        return row.snapshot.worker or display.NOTHING

    @admin.display(description=gettext_lazy("arguments"))
    def arguments(self, row: Job) -> SafeString | str:
        if not getattr(row, "may_see_payload", False):
            return _("You need the permission to see arguments and results.")
        if row.snapshot.payload is None:
            return _("The record of the arguments is lost.")
        signer = get_engine(row.alias).signer
        try:
            args, kwargs = load_call(signer.verify(row.id, row.task, row.snapshot.payload))
            shown = (args, kwargs) if _is_open(row) else _redactor(row).call(args, kwargs)
            return _block(_call(args, kwargs), _call(*shown))
        except BadSignature:
            return _("Not signed by this project, so they are not shown.")
        except (ValueError, RecursionError):
            return _("They can't be read: this is not the form of a call.")

    @admin.display(description=gettext_lazy("result"))
    def result(self, row: Job) -> SafeString | str:
        if row.snapshot.state is not State.SUCCEEDED:
            return display.NOTHING
        if not getattr(row, "may_see_payload", False):
            return _("You need the permission to see arguments and results.")
        data = row.snapshot.result or b"null"
        try:
            value = load_value(data)
            return _block(value, value if _is_open(row) else _redactor(row).value(value))
        except (ValueError, RecursionError):
            if _is_open(row):
                return display.block(display.cut(data.decode(errors="replace")))
            return _("It can't be read: this is no JSON.")

    @admin.display(description=gettext_lazy("run time"))
    def run_time(self, row: Job) -> str:
        """Return how long the latest run took, or takes so far."""
        job = row.snapshot
        if not job.attempted_at:
            return display.NOTHING
        running = job.state is State.RUNNING
        end = display.now_ms() if running else job.finished_at
        return display.span(max(0, end - job.attempted_at)) if end else display.NOTHING

    @admin.display(description=gettext_lazy("attempts"))
    def tries(self, row: Job) -> str:
        """Return the attempts used of those allowed, and the recoveries if there were any."""
        job = row.snapshot
        text = f"{job.attempts}/{job.max_attempts}"
        if not job.recoveries:
            return text
        words = ngettext("%(count)d recovery", "%(count)d recoveries", job.recoveries)
        return f"{text}, {words % {'count': job.recoveries}}"


def _is_open(row: Job) -> bool:
    return getattr(row, "may_see_sensitive", False)


def _redactor(row: Job) -> Redactor:
    """Return what hides the job's secrets; the task of a path that nobody signed is not asked."""
    engine = get_engine(row.alias)
    try:
        engine.signer.verify(row.id, row.task, row.snapshot.payload or b"")
        return Redactor(find(row.task), engine.options.sensitive)
    except (BadSignature, TaskUnknown):
        return Redactor(None, engine.options.sensitive)


def _call(args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {"args": args, "kwargs": kwargs}


def _block(value: Any, shown: Any) -> SafeString:
    """Return what is shown of a value, and say so if that is not all."""
    text = display.block(display.pretty(shown))
    if shown == value:
        return text
    note = _(
        "%(dots)s hides a value: its name marks a secret, or nobody knows its name. "
        "To see it takes one more permission."
    )
    return format_html('{}<p class="jobqueue-note">{}</p>', text, note % {"dots": HIDDEN})


def _run(run: Run) -> dict[str, Any]:
    return {
        "attempt": run.attempt if run.counts else "",
        "outcome": display.OUTCOMES.get(run.outcome, run.outcome),
        "worker": "" if run.worker == "-" else run.worker,
        "started": display.moment(run.started_at),
        "took": display.span(max(0, run.finished_at - run.started_at)) if run.started_at else "",
        "exception": run.exception,
        "traceback": run.traceback,
    }
