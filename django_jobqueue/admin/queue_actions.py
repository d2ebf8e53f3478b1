"""Pause, resume and empty queues, from their list and from the page of one.

Each needs its permission and a POST request, and writes to the admin's log.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy, pgettext_lazy

from django_jobqueue.admin.links import list_url, page_url
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.queues import Queues
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs import phrases
from django_jobqueue.models import Job, Queue
from django_jobqueue.steering import bulk
from django_jobqueue.steering.job_action import DELETE
from django_jobqueue.steering.selection import EMPTIED, Selection

TOO_MANY = gettext_lazy(
    "%(count)d queues are selected, and an action changes at most %(most)d at once. Nothing was "
    "changed: search for the beginning of their names, or select fewer."
)
MOST_CHANGED = 1_000  # queues that one request may change


@dataclass(frozen=True, slots=True)
class Switch:
    """To pause or to resume queues."""

    name: str
    act: Callable[[Queues, str, str], bool]  # of the name and the user; returns whether it changed
    button: Promise
    done: Any  # with the count
    log: Promise


PAUSE = Switch(
    "pause",
    lambda queues, name, user: queues.pause(name, by=user),
    gettext_lazy("Pause"),
    ngettext_lazy("%(count)d queue paused.", "%(count)d queues paused.", "count"),
    gettext_lazy("Paused."),
)
RESUME = Switch(
    "resume",
    lambda queues, name, _user: queues.resume(name),
    gettext_lazy("Resume"),
    ngettext_lazy("%(count)d queue resumed.", "%(count)d queues resumed.", "count"),
    gettext_lazy("Resumed."),
)


class QueueActionsMixin(LiveModelAdmin[Queue]):
    """Pause, resume and empty queues."""

    actions = ("pause_selected", "resume_selected", "empty_selected")

    def has_pause_queue_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("pause_queue")

    def has_empty_queue_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("empty_queue")

    @admin.action(
        permissions=["pause_queue"],
        description=gettext_lazy("Pause selected %(verbose_name_plural)s"),
    )
    def pause_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._switch(request, PAUSE, queryset)

    @admin.action(
        permissions=["pause_queue"],
        description=gettext_lazy("Resume selected %(verbose_name_plural)s"),
    )
    def resume_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._switch(request, RESUME, queryset)

    @admin.action(
        permissions=["empty_queue"],
        description=gettext_lazy("Empty selected %(verbose_name_plural)s"),
    )
    def empty_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        if self._are_too_many(request, queryset):
            return None
        return self.or_to_list(request, self._empty, list(queryset))

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            "pause": partial(self.switch_view, PAUSE),
            "resume": partial(self.switch_view, RESUME),
            "empty": self.empty_view,
        }
        return [*(self._url(name, view) for name, view in views.items()), *super().get_urls()]

    def _url(self, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
        return path(
            f"<path:object_id>/{name}/",
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
        )

    def switch_view(self, switch: Switch, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pause or resume one queue, by POST only, and lead back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_pause_queue_permission(request)):
            raise PermissionDenied
        return self.or_to_list(request, self._switch_one, switch, unquote(object_id))

    def empty_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Empty one queue, by POST only, after a question."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_empty_queue_permission(request)):
            raise PermissionDenied
        return self.or_to_list(request, self._empty_one, unquote(object_id))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons that the user's permissions and the queue allow."""
        row = context["original"]
        buttons = []
        if self.has_pause_queue_permission(request):
            switch = RESUME if row.paused else PAUSE
            buttons.append((switch.name, switch.button))
        if self.has_empty_queue_permission(request) and _waiting(row):
            buttons.append(("empty", pgettext_lazy("button", "Empty")))
        context["buttons"] = [
            {"text": text, "url": page_url(self.admin_site, Queue, row.pk, name)}
            for name, text in buttons
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _switch_one(self, request: HttpRequest, switch: Switch, key: str) -> HttpResponse:
        self._switch(request, switch, self.get_queryset(request).filter(pk=key))
        return HttpResponseRedirect(page_url(self.admin_site, Queue, key))

    def _switch(self, request: HttpRequest, switch: Switch, rows: Any) -> None:
        """Pause or resume queues; log and count those that changed."""
        if self._are_too_many(request, rows):
            return
        changed = []
        try:
            for row in rows:
                if switch.act(get_engine(row.alias).queues, row.name, str(request.user)):
                    changed.append(row)  # noqa: PERF401 - keep those before a fault
        except JobQueueError as error:
            self.message_user(request, str(error), messages.ERROR)
        self.log(request, changed, str(switch.log))
        text = str(switch.done % {"count": len(changed)})
        self.message_user(request, text, messages.SUCCESS if changed else messages.WARNING)

    def _are_too_many(self, request: HttpRequest, rows: Any) -> bool:
        count = rows.count()
        if count > MOST_CHANGED:
            text = str(TOO_MANY % {"count": count, "most": MOST_CHANGED})
            self.message_user(request, text, messages.ERROR)
        return bool(count > MOST_CHANGED)

    def _empty_one(self, request: HttpRequest, key: str) -> HttpResponse:
        rows = self.get_queryset(request).filter(pk=key)
        return self._empty(request, list(rows), page_url(self.admin_site, Queue, key))

    def _empty(self, request: HttpRequest, rows: list[Queue], stay_url: str = "") -> HttpResponse:
        """Ask; then enqueue a job that deletes the jobs that wait in the queues.

        `stay_url`: where to go back to, unless it is where the request went.
        """
        if not request.POST.get("confirmed"):
            return self._ask(request, rows, stay_url)
        results = []
        for alias, names in _by_alias(rows).items():
            chosen = Selection(states=EMPTIED, queues=names)
            results += bulk.start(alias, DELETE, chosen, request.user.pk)
        self.log(request, rows, _("Emptied."), DELETION)
        done = _("A job does this in the background. Its page shows how far it is.")
        self.message_user(request, done, messages.SUCCESS)
        if len(results) != 1 or not Viewer(request.user).may("view_job"):
            return HttpResponseRedirect(list_url(self.admin_site, Queue))
        return HttpResponseRedirect(page_url(self.admin_site, Job, results[0].id))

    def _ask(self, request: HttpRequest, rows: Iterable[Queue], stay_url: str) -> HttpResponse:
        request.current_app = self.admin_site.name
        found = list(rows)
        many = sum(map(_waiting, found))
        text = ngettext(
            "%(count)s job waits in these queues. It is deleted, and does not run.",
            "%(count)s jobs wait in these queues. They are deleted, and do not run.",
            many,
        )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Empty queues?"),
            "opts": self.opts,
            "rows": found,
            "stay_url": stay_url,
            "text": text % {"count": phrases.count(many)},
        }
        return TemplateResponse(request, "admin/django_jobqueue/queue/empty.html", context)


def _waiting(row: Queue) -> int:
    return sum(row.stats.counts[state] for state in EMPTIED)


def _by_alias(rows: Iterable[Queue]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.alias, []).append(row.name)
    return found
