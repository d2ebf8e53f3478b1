"""The page of tasks: how long their jobs wait and run, and how many have failed."""

from dataclasses import dataclass

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from django_jobqueue.admin import display
from django_jobqueue.admin.links import list_link
from django_jobqueue.admin.pages import Page, page_url
from django_jobqueue.diagnosis.task_figures import (
    WINDOW,
    TaskFigures,
    TaskTable,
    Times,
    read_task_figures,
)
from django_jobqueue.engine import get_engine
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task, as the page shows it."""

    task: SafeString | str
    queue: str
    runs: str
    wait: tuple[SafeString | str, SafeString | str]
    run: tuple[SafeString | str, SafeString | str]
    failed: SafeString | str


@require_safe
def tasks_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the tasks of one alias."""
    page = Page(request, site, "tasks")
    nothing = TaskTable([], 0)
    table = page.source.read(
        page.alias, lambda _seen: read_task_figures(get_engine(page.alias)), nothing
    )
    text = ngettext(
        "Runs and times are of the %(count)s job that ended last; all failed jobs are counted.",
        "Runs and times are of the %(count)s jobs that ended last; all failed jobs are counted.",
        table.seen,
    )
    notes = [text % {"count": phrases.count(table.seen)}] if table.rows else []
    return page.show(
        rows=[_row(page, one) for one in table.rows], notes=notes, window=phrases.count(WINDOW)
    )


def _row(page: Page, one: TaskFigures) -> Row:
    return Row(
        task=_task(page, one.task),
        queue=one_line(one.queue) or display.NOTHING,
        runs=phrases.count(one.runs),
        wait=_times(one.wait),
        run=_times(one.run),
        failed=_failed(page, one),
    )


def _task(page: Page, path: str) -> SafeString | str:
    """Return the task's name, with a link to its jobs unless its path is cut."""
    shown = display.whole_task(path)
    if one_line(path) != path:
        return shown
    return list_link(page.site, Job, shown, task=path, **page.where)


def _failed(page: Page, one: TaskFigures) -> SafeString | str:
    """Return how many have failed, with a link to what they failed with."""
    text = phrases.count(one.failed)
    if not one.failed:
        return text
    url = page_url(page.site, "failures", task=one.task, **page.where)
    label = _("%(count)s failed jobs of %(task)s") % {"count": text, "task": one_line(one.task)}
    return format_html('<a href="{}" aria-label="{}">{}</a>', url, label, text)


def _times(times: Times) -> tuple[SafeString | str, SafeString | str]:
    return _time(times.p50), _time(times.p95)


def _time(seconds: float | None) -> SafeString | str:
    return display.NOTHING if seconds is None else display.duration(round(seconds * 1000))
