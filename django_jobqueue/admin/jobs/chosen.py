"""What the filters of the list of jobs have chosen, in words."""

from collections.abc import Callable, Iterator

from django.utils.translation import gettext as _

from django_jobqueue.admin.jobs import times
from django_jobqueue.admin.jobs.filters import OnlyFilter
from django_jobqueue.admin.jobs.rows import JobRows
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line


def chosen(rows: JobRows) -> Iterator[tuple[str, str]]:
    """Yield what is chosen: a label and a value."""
    values: dict[str, tuple[str, Callable[[str], str]]] = {
        "alias": (_("alias"), str),
        "state": (_("state"), lambda value: str(phrases.STATES[State(value)])),
        "queue": (_("queue"), one_line),
        "task": (_("task"), one_line),
        "tag": (_("tag"), one_line),
        "exception": (_("exception"), one_line),
        "only": (_("past runs"), lambda value: str(OnlyFilter.known.get(value, value))),
        "time": (_("time"), lambda value: str(times.SPANS[value][1])),
    }
    for name, (label, form) in values.items():
        if name in rows.where:
            yield label, form(rows.where[name])
    if rows.words:
        yield _("words"), one_line(" ".join(rows.words))
