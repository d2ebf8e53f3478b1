"""The sentences above the list of jobs: what it leaves out, and why."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.admin import display
from django_jobqueue.engine.inspector import MERGE_DEPTH, MOST_TASKS, Inspector
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State

if TYPE_CHECKING:
    from django_jobqueue.admin.jobs.rows import JobRows


class Notes:
    """The notes about one selection of rows."""

    def __init__(self, rows: "JobRows") -> None:
        self._rows = rows

    def all(self) -> list[str]:
        return [
            *self.cut_off(),
            *self._other_queues(),
            *self._unnamed_tasks(),
            *self._removed_early(),
        ]

    def _other_queues(self) -> list[str]:
        """Tell of queues whose jobs are not listed."""
        if self._rows.ids is not None or not self._rows.has_many_queues or self._rows.tasks_alone():
            return []
        total = self._rows.source.count_queues(self._rows.alias)
        values = {"total": phrases.count(total), "most": phrases.count(MOST_QUEUES)}
        text = _(
            "There are %(total)s queues. The list has only the failed jobs of all of them, and the "
            "other jobs of %(most)s, those with jobs to claim first. To see another queue, put "
            "its name into the address, as queue=its-name, or open it from the list of queues."
        )
        sums = self._rows.source.sums(self._rows.alias)
        if sums is None:
            return [text % values, _("The states are not counted yet: no worker has summed them.")]
        age = phrases.span(max(0, display.now_ms() - sums.at))
        return [text % values, _("The states were counted %(age)s ago.") % {"age": age}]

    def _unnamed_tasks(self) -> list[str]:
        """Tell of tasks with failed jobs that are neither offered nor searched."""
        if (
            self._rows.where.get("state") != State.FAILED
            or len(self._rows.failed_tasks()) < MOST_TASKS
        ):
            return []
        total = self._rows.source.read(self._rows.alias, Inspector.count_failed_tasks, 0)
        text = _(
            "%(total)s tasks have failed jobs. Only the %(most)s that failed last are offered and "
            "searched; the address takes any other, as task=its.path."
        )
        values = {"total": phrases.count(total), "most": phrases.count(MOST_TASKS)}
        return [text % values] if total > MOST_TASKS else []

    def _removed_early(self) -> list[str]:
        """Tell of jobs of the selected state that are gone before their retention."""
        state, queue = self._rows.where.get("state", ""), self._rows.where.get("queue", "")
        totals: dict[str, int] = self._rows.source.read(self._rows.alias, Inspector.totals, {})
        start = f"trimmed:{state}:{queue}"
        removed = sum(
            count
            for name, count in totals.items()
            if name == start or (not queue and name.startswith(start))
        )
        if not state or not removed:
            return []
        text = ngettext(
            "%(count)s job of this state was removed before its time, because its queue had more "
            "than RETENTION_COUNT allows.",
            "%(count)s jobs of this state were removed before their time, because their queues "
            "had more than RETENTION_COUNT allows.",
            removed,
        )
        return [text % {"count": phrases.count(removed)}]

    def cut_off(self) -> list[str]:
        if self._rows.ids is not None:
            return []
        if self._rows.needs_window:
            window = self._rows.window()
            if window.seen >= window.total:
                return []
            text = _(
                "This looked only at the first jobs of each state, %(seen)s of %(total)s. "
                "Choose a state and a queue to look further."
            )
            values = {"seen": phrases.count(window.seen), "total": phrases.count(window.total)}
            return [text % values]
        cut = [s for s in self._rows.chosen_segments() if s.reach < s.total]
        if not cut:
            return []
        text = _(
            "Over several queues or tasks only %(reach)s jobs of a state are listed, and there are "
            "%(total)s. Choose one to list all of it."
        )
        total = phrases.count(max(s.total for s in cut))
        return [text % {"reach": phrases.count(MERGE_DEPTH), "total": total}]
