"""The parts of the overview, which the page shows and the script replaces when they change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_jobqueue.admin import display
from django_jobqueue.admin.links import list_link, page_link
from django_jobqueue.admin.overview.chart import Chart, draw
from django_jobqueue.admin.source import aliases
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.diagnosis.overview import Overview, read_overview
from django_jobqueue.diagnosis.problems import Problem, problems
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.queue_reader import QueueStats
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job, Queue, Schedule, Worker

SHOWN = 25  # queues in the table
PARTS = ("problems", "figures", "activity", "queues")
COLUMNS = (
    State.QUEUED,
    State.WAITING,
    State.RUNNING,
    State.SCHEDULED,
    State.FAILED,
    State.SUCCEEDED,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page that is replaced as a whole."""

    id: str
    html: SafeString


def parts_of(request: HttpRequest, site: AdminSite) -> list[Part]:
    """Return the parts of the overview, of all aliases one after the other."""
    found: list[Part] = []
    names = aliases()
    for alias in names:
        found += OverviewParts(request, site, alias, is_only=len(names) == 1).parts()
    return found


class OverviewParts:
    """The parts of one alias."""

    def __init__(self, request: HttpRequest, site: AdminSite, alias: str, *, is_only: bool) -> None:
        self._request = request
        self._viewer = Viewer(request.user)
        self._site = site
        self._alias = alias
        self._is_only = is_only
        self._where = {} if is_only else {"alias": alias}

    def parts(self) -> list[Part]:
        try:
            seen = read_overview(get_engine(self._alias))
        except (JobQueueError, ImproperlyConfigured) as error:
            empty = [self._named(name, SafeString()) for name in PARTS[1:]]  # to be filled later
            return [self._part("problems", problems=[(str(error), "")]), *empty]
        may = {name: self._viewer.may(f"view_{name}") for name in ("queue", "worker", "schedule")}
        told = [(one.text, self._link(one)) for one in problems(seen) if may[one.about]]
        return [
            self._part("problems", problems=told),
            self._part("figures", figures=list(self._figures(seen))),
            self._part("activity", charts=_charts(seen)),
            self._part("queues", **self._queues(seen)),
        ]

    def _link(self, problem: Problem) -> SafeString | str:
        """Return a link to what the problem is about."""
        model = {"queue": Queue, "worker": Worker, "schedule": Schedule}[problem.about]
        is_plain = one_line(problem.name) == problem.name
        if not problem.name or not is_plain or not self._site.is_registered(model):
            return ""
        text = _("Show %(name)s") % {"name": problem.name}
        if problem.about == "schedule":
            return list_link(self._site, Schedule, text, q=problem.name)
        key = problem.name if model is Worker else self._key(problem.name)
        return page_link(self._site, model, key, text)

    def _key(self, name: str) -> str:
        return name if self._is_only else f"{self._alias}/{name}"

    def _part(self, name: str, **context: Any) -> Part:
        context |= {"alias": "" if self._is_only else self._alias, "id": f"{name}-{self._alias}"}
        template = f"admin/django_jobqueue/overview/{name}.html"
        return self._named(name, render_to_string(template, context, self._request))

    def _named(self, name: str, html: SafeString) -> Part:
        return Part(f"jobqueue-{name}-{self._alias}", html)

    def _figures(self, seen: Overview) -> Iterator[tuple[str, SafeString | str]]:
        """Yield labels and values."""
        slots = _("%(busy)s of %(all)s")
        values = {"busy": phrases.count(seen.busy_slots), "all": phrases.count(seen.slots)}
        yield _("busy slots"), slots % values
        live = phrases.count(len(seen.live))
        yield _("live workers"), list_link(self._site, Worker, live)
        alive = phrases.count(seen.server.schedulers)
        yield _("live schedulers"), list_link(self._site, Schedule, alive)
        if (memory := seen.server.memory) is not None:
            used, most = phrases.mebibytes(memory.used), phrases.mebibytes(memory.most)
            text = _("%(used)s of %(most)s") if memory.most else _("%(used)s, no bound")
            yield _("memory of Redis"), text % {"used": used, "most": most}
            yield _("when it is full"), memory.policy
        if seen.ledger is not None:
            yield _("durable jobs that wait for Redis"), phrases.count(seen.ledger.waiting)
            yield _("ends that wait for the ledger"), phrases.count(seen.ledger.unsettled)
        if seen.requests is not None:
            text = phrases.count(seen.requests.many)
            if seen.requests.since is not None:
                at = int(seen.requests.since.timestamp() * 1000)
                text = _("%(count)s, the oldest since %(time)s") % {
                    "count": text,
                    "time": phrases.since(at, seen.server.now),
                }
            yield _("open requests"), text

    def _queues(self, seen: Overview) -> dict[str, Any]:
        shown = seen.by_urgency()[:SHOWN]
        note = ""
        if seen.queue_count > len(shown):
            text = ngettext(
                "This is %(shown)s of %(count)s queues, the one whose job waits longest.",
                "These are %(shown)s of %(count)s queues, those first whose jobs wait longest.",
                len(shown),
            )
            values = {"shown": phrases.count(len(shown)), "count": phrases.count(seen.queue_count)}
            note = text % values
        if seen.has_many_queues and seen.sums:
            age = phrases.span(max(0, seen.server.now - seen.sums.at))
            note += " " + _("All were counted %(age)s ago.") % {"age": age}
        return {
            "heads": [(state, display.HEADS[state]) for state in COLUMNS],
            "rows": [self._row(one, seen) for one in shown],
            "totals": [(state, phrases.count(seen.count(state))) for state in COLUMNS],
            "note": note,
            "all": list_link(self._site, Queue, _("All queues")) if note else "",
        }

    def _row(self, stats: QueueStats, seen: Overview) -> dict[str, Any]:
        name = one_line(stats.name)
        age = max(0, seen.server.now - stats.oldest_at) if stats.oldest_at else None
        return {
            "name": page_link(self._site, Queue, self._key(stats.name), name),
            "is_paused": stats.paused,
            "counts": [(state, self._count(stats, state)) for state in COLUMNS],
            "oldest": display.NOTHING if age is None else display.duration(age),
        }

    def _count(self, stats: QueueStats, state: State) -> SafeString | str:
        text = phrases.count(stats.counts[state])
        if not stats.counts[state]:
            return text
        label = _("%(count)s %(state)s in %(queue)s") % {
            "count": text,
            "state": phrases.STATES[state],
            "queue": stats.name,
        }
        return list_link(
            self._site, Job, text, label, state=state.value, queue=stats.name, **self._where
        )


def _charts(seen: Overview) -> list[Chart]:
    return [
        draw(
            _("Last hour, by minute"),
            _("an hour ago"),
            _("%(count)s ended in the busiest minute"),
            seen.activity.minutes,
        ),
        draw(
            _("Last day, by hour"),
            _("a day ago"),
            _("%(count)s ended in the busiest hour"),
            seen.activity.hours,
        ),
    ]
