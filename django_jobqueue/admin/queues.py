"""The list of queues, the admin's dashboard: counts per state. Next: queue_actions.py."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Self

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from django_jobqueue.admin import display
from django_jobqueue.admin.links import list_link
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.overview.view import NAME as OVERVIEW
from django_jobqueue.admin.overview.view import overview_view
from django_jobqueue.admin.queue_actions import QueueActionsMixin
from django_jobqueue.admin.rows import Rows
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.inspector import Inspector
from django_jobqueue.engine.queue_reader import MOST_QUEUES, Pause, QueueStats
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.models import Job, Queue


def _count_column(state: State) -> Any:
    @admin.display(description=display.HEADS[state])
    def column(self: "QueueAdmin", row: Queue) -> SafeString | str:
        return self.count_link(row, state)

    return column


class QueueRows(Rows[Queue]):
    """The queues of all aliases, one alias after the other, by name; only those shown are read."""

    prefix = ""  # how the names begin

    def search(self, text: str) -> Self:
        """Select the queues whose names begin so."""
        clone = self._clone()
        clone.prefix = text.strip()
        return clone

    def count(self) -> int:
        if self.ids is not None:
            return len(self._load())
        return sum(self._count(alias) for alias in self.source.aliases)

    def fetch(self, start: int, stop: int) -> list[Queue]:
        if self.ids is not None:
            return self._load()[start:stop]
        found: list[Queue] = []
        for alias in self.source.aliases:
            count = self._count(alias)
            if start < count and stop > 0:
                found += self._page(alias, max(start, 0), min(stop, count))
            start, stop = start - count, stop - count
        return found

    def _count(self, alias: str) -> int:
        return self.source.count_queues(alias, self.prefix)

    def _page(self, alias: str, start: int, stop: int) -> list[Queue]:
        prefix = self.prefix

        def ask(seen: Inspector) -> list[QueueStats]:
            if self._count(alias) > MOST_QUEUES:
                return seen.queue_stats(seen.queues(start, stop, prefix=prefix))
            return seen.queue_stats(seen.queues(prefix=prefix)[start:stop])  # "default" is first

        nothing: list[QueueStats] = []
        return self._rows_of(alias, self.source.read(alias, ask, nothing))

    def _load(self) -> list[Queue]:
        if self._rows is None and self.ids is not None:
            found = {row.pk: row for alias in self.source.aliases for row in self._known(alias)}
            self._rows = [found[key] for key in self.ids if key in found]
        return super()._load()

    def _known(self, alias: str) -> list[Queue]:
        """Return the queues of an alias that are selected by id, and exist."""
        start = self._key(alias, "")
        names = [key.removeprefix(start) for key in self.ids or () if key.startswith(start)]
        nothing: list[QueueStats] = []
        return self._rows_of(
            alias,
            self.source.read(
                alias, lambda seen: seen.queue_stats(seen.known_queues(names)), nothing
            ),
        )

    def _rows_of(self, alias: str, stats: Iterable[QueueStats]) -> list[Queue]:
        return [Queue.of(self._key(alias, one.name), alias, one) for one in stats]

    def _key(self, alias: str, name: str) -> str:
        return f"{alias}/{name}" if len(self.source.aliases) > 1 else name


class QueueAdmin(QueueActionsMixin, LiveModelAdmin[Queue]):
    """Show the queues with links to their jobs; the mixin pauses, resumes and empties them."""

    rows = QueueRows
    counts = ("running", "queued", "waiting", "scheduled", "failed", "succeeded", "cancelled")
    list_display = ("name", "flag", *counts, "oldest")
    search_fields = ("name",)
    hint = gettext_lazy("Search for a name, or for its beginning.")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        return queryset.search(search_term), False

    def get_fields(self, request: HttpRequest, obj: Queue | None = None) -> Any:
        return self.get_list_display(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(overview_view, site=self.admin_site))
        return [path("overview/", view, name=OVERVIEW), *super().get_urls()]

    @admin.display(description=gettext_lazy("state"))
    def flag(self, row: Queue) -> SafeString:
        """Return whether the queue is paused, or nobody serves it, as a symbol and a text."""
        if pause := row.stats.pause:
            symbol, text = "‖", _paused(pause)
        elif self._is_served(row):
            symbol, text = "▶", pgettext("queue", "active")
        elif any(count for state, count in row.stats.counts.items() if not state.is_final):
            return display.failure(_("no live worker serves it"))
        else:
            symbol, text = "○", _("no live worker serves it")
        return format_html('<span aria-hidden="true">{}</span> {}', symbol, text)

    def _is_served(self, row: Queue) -> bool:
        workers = self.source.cached(("workers", row.alias), lambda: self.source.workers(row.alias))
        lease_ms = get_engine(row.alias).options.lease_ms
        now = display.now_ms()
        return any(one.serves(row.name) and one.is_live(now, lease_ms) for one in workers)

    @admin.display(description=gettext_lazy("next in line waits"))
    def oldest(self, row: Queue) -> SafeString | str:
        """Return the time since the job that is claimed next was enqueued."""
        at = row.stats.oldest_at
        return display.duration(max(0, display.now_ms() - at)) if at else display.NOTHING

    running = _count_column(State.RUNNING)
    queued = _count_column(State.QUEUED)
    waiting = _count_column(State.WAITING)
    scheduled = _count_column(State.SCHEDULED)
    failed = _count_column(State.FAILED)
    succeeded = _count_column(State.SUCCEEDED)
    cancelled = _count_column(State.CANCELLED)

    def count_link(self, row: Queue, state: State) -> SafeString | str:
        """Return a count, with a link to these jobs if there are any."""
        count = row.stats.counts[state]
        if not count:
            return "0"
        where = {"alias": row.alias} if self.alias_column() else {}
        text = phrases.count(count)
        label = _("%(count)s %(state)s in %(queue)s") % {
            "count": text,
            "state": phrases.STATES[state],
            "queue": row.name,
        }
        return list_link(
            self.admin_site, Job, text, label, state=state.value, queue=row.name, **where
        )


def _paused(pause: Pause) -> str:
    """Say who paused a queue, and since when, as far as that is known."""
    if not pause.since:
        return _("paused")
    values = {"time": display.since(pause.since), "by": one_line(pause.by)}
    if pause.by:
        return _("paused by %(by)s at %(time)s") % values
    return _("paused at %(time)s") % values
