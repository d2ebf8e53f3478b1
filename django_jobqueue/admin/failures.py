"""The page of failures: failed jobs grouped by task and exception, the largest groups first."""

from dataclasses import dataclass

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from django_jobqueue.admin import display
from django_jobqueue.admin.links import list_link, list_url, page_link
from django_jobqueue.admin.pages import Page
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.failures import (
    FailureGroup,
    count_failures,
    read_failures,
    window_of,
)
from django_jobqueue.engine.inspector import MOST_TASKS, Inspector
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job
from django_jobqueue.steering.selection import NO_EXCEPTION

BUTTONS = (
    ("requeue_job", "requeue_selected", gettext_lazy("Requeue all of them")),
    ("delete_job", "delete_selected", gettext_lazy("Delete all of them")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group, as the page shows it."""

    task: SafeString
    exception: str
    count: SafeString | str
    first: SafeString | str
    last: SafeString | str
    sample: SafeString | str
    message: str
    traceback: str
    url: str  # of the list of its jobs
    buttons: list[tuple[str, Promise]]  # actions of that list, and their texts


@require_safe
def failures_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the failures of one task, or of all."""
    page = Page(request, site, "failures")
    task = request.GET.get("task", "")
    nothing: list[str] = []
    tasks = [task] if task else page.source.read(page.alias, Inspector.failed_tasks, nothing)
    groups: list[FailureGroup] = page.source.read(
        page.alias, lambda _seen: read_failures(get_engine(page.alias).client, tasks), []
    )
    return page.show(
        rows=[_row(page, group) for group in groups],
        notes=_notes(page, tasks, groups),
        task=one_line(task),
        is_closed=not page.viewer.may("view_payload"),
    )


def _row(page: Page, group: FailureGroup) -> Row:
    is_open = page.viewer.may("view_payload")
    where = {"task": group.task, "exception": group.exception or NO_EXCEPTION, **page.where}
    where["state"] = State.FAILED.value
    label = _("%(count)s failed jobs of %(task)s") % {
        "count": phrases.count(group.count),
        "task": one_line(group.task),
    }
    return Row(
        task=display.short_task(group.task),
        exception=one_line(group.exception) or _("no exception: its process was lost"),
        count=list_link(page.site, Job, phrases.count(group.count), label, **where),
        first=display.age_of(group.first_at),
        last=display.age_of(group.last_at),
        sample=page_link(page.site, Job, group.job_id),
        message=one_line(group.message) if is_open else "",
        traceback=display.cut(group.traceback) if is_open else "",
        url=list_url(page.site, Job, **where),
        buttons=[(name, text) for may, name, text in BUTTONS if page.viewer.may(may)],
    )


def _notes(page: Page, tasks: list[str], groups: list[FailureGroup]) -> list[str]:
    """Say how many failed jobs were looked at, if they are not all."""
    counts: dict[str, int] = page.source.read(
        page.alias, lambda _seen: count_failures(get_engine(page.alias).client, tasks), {}
    )
    seen, total = sum(group.count for group in groups), sum(counts.values())
    notes = []
    if seen < total:
        text = _("These are the newest %(window)s failed jobs of each task, %(seen)s of %(total)s.")
        values = {"window": window_of(len(tasks)), "seen": seen, "total": total}
        notes.append(text % {name: phrases.count(number) for name, number in values.items()})
    if len(tasks) == MOST_TASKS:
        text = _("Only the %(most)s tasks that failed last are looked at.")
        notes.append(text % {"most": phrases.count(MOST_TASKS)})
    return notes
