"""The filters of the job list; their choices use the same counts as the rows."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.jobs.phrases import STATES, count
from django_jobqueue.jobs.states import State
from django_jobqueue.steering.selection import LISTED

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
                continue  # jobs can't wait for others yet
            if state in totals:
                text = _("%(state)s (%(count)s)")
                yield state.value, text % {"state": STATES[state], "count": count(totals[state])}
            else:
                yield state.value, STATES[state]


class QueueFilter(Choice):
    """Select one queue or all; of many queues, 200 are offered (see JobRows.notes)."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        names = [stats.name for stats in rows.source.busy(rows.alias)]
        for name in [*names, self.value] if self.value not in ["", *names] else names:
            yield name, name


class TaskFilter(Choice):
    """Select the failed jobs of one task, which an index lists; other states need a search."""

    title = gettext_lazy("task of failed jobs")
    parameter_name = "task"

    def has_output(self) -> bool:
        return bool(self.value) or self.request.GET.get("state") == State.FAILED

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        tasks = {self.value} - {""}
        if rows.where.get("state") == State.FAILED:
            tasks |= set(rows.failed_tasks())
        for task in sorted(tasks):
            yield task, task


class OrderFilter(Choice):
    """Select the order within a state; the oldest queued jobs are claimed next."""

    title = gettext_lazy("order in each state")
    parameter_name = "order"

    def narrow(self, rows: JobRows) -> JobRows:
        return rows.oldest() if self.value == "oldest" else rows

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("Newest first")
        yield "oldest", _("Oldest first")
