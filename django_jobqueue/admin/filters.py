"""The filters of the job list. Their choices come from the same counts as the rows."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.admin.display import STATES
from django_jobqueue.admin.job_rows import LISTED, JobRows
from django_jobqueue.jobs.job import State

TASKS_OF = 100  # newest failed jobs whose tasks are offered as choices

Option = tuple[str | None, object]  # value in the address, text


class Choice(admin.ListFilter):
    """A filter by one parameter, whose options are made when the rows are known."""

    parameter: ClassVar[str]

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Any],
        model_admin: "admin.ModelAdmin[Any]",
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.value = params.pop(self.parameter, [""])[-1]

    def options(self, rows: JobRows) -> Iterator[Option]:
        raise NotImplementedError

    def narrow(self, rows: JobRows) -> JobRows:
        return rows.filter(**{self.parameter: self.value}) if self.value else rows

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return self.narrow(queryset)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        rows: Any = changelist.queryset
        for value, text in self.options(rows):
            yield {
                "selected": self.value == (value or ""),
                "query_string": changelist.get_query_string({self.parameter: value}),
                "display": text,
            }


class AliasFilter(Choice):
    """One alias at a time, the default one first."""

    title = gettext_lazy("alias")
    parameter = "alias"

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
    """One state or all, each with its count."""

    title = gettext_lazy("state")
    parameter = "state"

    def narrow(self, rows: JobRows) -> JobRows:
        if self.value and self.value not in set(State):
            raise IncorrectLookupParameters
        return super().narrow(rows)

    def options(self, rows: JobRows) -> Iterator[Option]:
        totals = rows.totals()
        yield None, _("All")
        for state in LISTED:
            text = _("%(state)s (%(count)d)")
            yield state.value, text % {"state": STATES[state], "count": totals[state]}


class QueueFilter(Choice):
    """One queue or all."""

    title = gettext_lazy("queue")
    parameter = "queue"

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        names = [stats.name for stats in rows.source.stats(rows.alias)]
        for name in [*names, self.value] if self.value not in ["", *names] else names:
            yield name, name


class TaskFilter(Choice):
    """The failed jobs of one task: exact, while other lists of a task are searched for."""

    title = gettext_lazy("task of failed jobs")
    parameter = "task"

    def has_output(self) -> bool:
        return bool(self.value) or self.request.GET.get("state") == State.FAILED

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("All")
        tasks = {self.value} - {""}
        if rows.where.get("state") == State.FAILED:
            tasks |= rows.source.once(
                ("failed tasks", rows.alias),
                lambda: {job.task for job in self._failed(rows).fetch(0, TASKS_OF)},
            )
        for task in sorted(tasks):
            yield task, task

    @staticmethod
    def _failed(rows: JobRows) -> JobRows:
        alias = {"alias": rows.where["alias"]} if "alias" in rows.where else {}
        return JobRows(rows.model, rows.source).filter(state=State.FAILED.value, **alias)


class OrderFilter(Choice):
    """The order within a state: of queued jobs, the oldest are claimed next."""

    title = gettext_lazy("order")
    parameter = "order"

    def narrow(self, rows: JobRows) -> JobRows:
        return rows.oldest() if self.value == "oldest" else rows

    def options(self, rows: JobRows) -> Iterator[Option]:
        yield None, _("Newest first")
        yield "oldest", _("Oldest first")
