"""The filters of the job list; their choices use the same counts as the rows."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.display import whole_task
from django_jobqueue.admin.jobs import times
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.jobs.phrases import STATES, count
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.paths import registered
from django_jobqueue.steering.selection import LISTED

MOST_NAMED = 30  # tasks of the code that are offered
MOST_OFFERED = 50  # queues, if not all are looked at

Option = tuple[str | None, object]  # value in the URL, text


class Choice(admin.ListFilter):
    """A filter by one URL parameter, whose options depend on the rows."""

    parameter_name: ClassVar[str]  # themes read it, as of Django's SimpleListFilter

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Any],
        model_admin: "admin.ModelAdmin[Any]",
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.value = params.pop(self.parameter_name, [""])[-1]

    def options(self, rows: JobRows) -> Iterator[Option]:
        raise NotImplementedError

    def narrow(self, rows: JobRows) -> JobRows:
        return rows.filter(**{self.parameter_name: self.value}) if self.value else rows

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return self.narrow(queryset)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        rows: Any = changelist.queryset
        for value, text in self.options(rows):
            yield {
                "selected": self.value == (value or ""),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": text,
            }


class AliasFilter(Choice):
    """Select one alias; the first one is the default."""

    title = gettext_lazy("alias")
    parameter_name = "alias"

    def narrow(self, rows: JobRows) -> JobRows:
        known = rows.source.aliases
        if self.value and self.value not in known:
            raise IncorrectLookupParameters
        self.value = self.value or next(iter(known), "")
        return rows.filter(alias=self.value)

    def options(self, rows: JobRows) -> Iterator[Option]:
        for alias in rows.source.aliases:
            yield alias, alias


class StateFilter(Choice):
    """Select one state or all; each option shows its count."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def narrow(self, rows: JobRows) -> JobRows:
        if self.value and self.value not in set(State):
            raise IncorrectLookupParameters
        return super().narrow(rows)

    def options(self, rows: JobRows) -> Iterator[Option]:
        totals = rows.totals()
        yield None, _("All")
        for state in LISTED:
            if state is State.WAITING and not totals.get(state):
                continue  # only workflows and limits have such jobs
            if state in totals:
                text = _("%(state)s (%(count)s)")
                yield state.value, text % {"state": STATES[state], "count": count(totals[state])}
            else:
                yield state.value, STATES[state]


class QueueFilter(Choice):
    """Select one queue or all; of more than 200, 50 are offered."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        counts = rows.source.counts(rows.alias)
        names = list(counts)
        if rows.source.count_queues(rows.alias) > MOST_QUEUES:
            names = sorted(names, key=lambda name: not counts[name][State.QUEUED])[:MOST_OFFERED]
        for name in [*names, self.value] if self.value not in ["", *names] else names:
            yield name, name


class TaskFilter(Choice):
    """Select one task: of the failed jobs, which an index lists, any; else those of the code."""

    title = gettext_lazy("task")
    parameter_name = "task"

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        is_failed = rows.where.get("state") == State.FAILED
        tasks = rows.failed_tasks() if is_failed else list(registered())
        if not is_failed and len(tasks) > MOST_NAMED:
            tasks = []  # a part of them would look like all
        for task in sorted({self.value, *tasks} - {""}):
            yield task, whole_task(task)


class ChosenFilter(Choice):
    """Show what a link or the address has chosen, and let it be dropped."""

    def has_output(self) -> bool:
        return bool(self.value)

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        if self.value:
            yield self.value, one_line(self.value)


class TagFilter(ChosenFilter):
    """Select the jobs of one tag, in whatever state, those that were stored last first."""

    title = gettext_lazy("tag")
    parameter_name = "tag"


class ExceptionFilter(ChosenFilter):
    """Select the jobs whose latest run failed with an exception of one class."""

    title = gettext_lazy("exception")
    parameter_name = "exception"


class KnownFilter(Choice):
    """Select one of a few known values."""

    known: ClassVar[Mapping[str, object]]  # texts by what stands in the address

    def narrow(self, rows: JobRows) -> JobRows:
        if self.value and self.value not in self.known:
            raise IncorrectLookupParameters
        return super().narrow(rows)

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        yield from self.known.items()


class OnlyFilter(KnownFilter):
    """Select the jobs that have not just come and gone."""

    title = gettext_lazy("past runs")
    parameter_name = "only"
    known: ClassVar = {
        "retrying": gettext_lazy("failed, to be tried again"),
        "recovered": gettext_lazy("lost with a worker"),
    }


class TimeFilter(KnownFilter):
    """Select by when a job ended, else began to run, else was enqueued."""

    title = gettext_lazy("time of its end, start or enqueue")
    parameter_name = "time"
    known: ClassVar = {name: text for name, (_span, text) in times.SPANS.items()}


class OrderFilter(Choice):
    """Select the order within a state; the oldest queued jobs are claimed next."""

    title = gettext_lazy("order in each state")
    parameter_name = "order"

    def narrow(self, rows: JobRows) -> JobRows:
        return rows.oldest() if self.value == "oldest" else rows

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("Newest, or last in line, first")
        yield "oldest", _("Oldest, or next in line, first")
