"""Let workers be quiet, let them stop, and ask where their slots are.

Each needs the permission `manage_workers` and a POST request; what changes a worker asks once more,
and writes to the admin's log.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy, pgettext_lazy

from django_jobqueue.admin.links import list_url, page_url
from django_jobqueue.admin.live import LiveModelAdmin
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.remote_control import Word
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.models import Worker
from django_jobqueue.steering.workers import ask_for_stacks


class Telling(NamedTuple):
    """What workers are told, with its texts."""

    word: Word
    button: Promise
    title: Promise
    note: Promise
    done: Any  # with the count
    log: Promise


QUIET = Telling(
    Word.QUIET,
    pgettext_lazy("button", "Quiet"),
    gettext_lazy("Let workers be quiet?"),
    gettext_lazy(
        "They finish what they run and claim no more jobs. They stay, until they are stopped or "
        "started anew; this can't be taken back from here."
    ),
    ngettext_lazy(
        "%(count)d worker was told to be quiet.",
        "%(count)d workers were told to be quiet.",
        "count",
    ),
    gettext_lazy("Told to be quiet."),
)
STOP = Telling(
    Word.STOP,
    pgettext_lazy("button", "Stop"),
    gettext_lazy("Stop workers?"),
    gettext_lazy(
        "They claim no more jobs, and end as at SIGTERM: what still runs after the time that they "
        "were given is released, and runs elsewhere. Whoever has started them may start them anew."
    ),
    ngettext_lazy(
        "%(count)d worker was told to stop.", "%(count)d workers were told to stop.", "count"
    ),
    gettext_lazy("Told to stop."),
)


class WorkerActionsMixin(LiveModelAdmin[Worker]):
    """Tell workers what to do."""

    actions = ("quiet_selected", "stop_selected")

    def has_manage_workers_permission(self, request: HttpRequest) -> bool:
        return Viewer(request.user).may("manage_workers")

    @admin.action(
        permissions=["manage_workers"],
        description=gettext_lazy("Let selected %(verbose_name_plural)s be quiet"),
    )
    def quiet_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return self.or_to_list(request, self._tell, QUIET, list(queryset))

    @admin.action(
        permissions=["manage_workers"],
        description=gettext_lazy("Stop selected %(verbose_name_plural)s"),
    )
    def stop_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return self.or_to_list(request, self._tell, STOP, list(queryset))

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            "quiet": partial(self.tell_view, QUIET),
            "stop": partial(self.tell_view, STOP),
            "stacks": self.stacks_view,
        }
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def tell_view(self, telling: Telling, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell one worker, by POST only, after a question."""
        if refused := self._refused(request):
            return refused
        key = unquote(object_id)
        rows = list(self.get_queryset(request).filter(pk=key))
        stay_url = page_url(self.admin_site, Worker, key)
        return self.or_to_list(request, self._tell, telling, rows, stay_url)

    def stacks_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask one worker where its slots are, by POST only; its page shows the answer."""
        if refused := self._refused(request):
            return refused
        return self.or_to_list(request, self._ask_for_stacks, unquote(object_id))

    def _refused(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a request that is no POST.

        Raises: PermissionDenied.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if self.has_view_permission(request) and self.has_manage_workers_permission(request):
            return None
        raise PermissionDenied

    def _ask_for_stacks(self, request: HttpRequest, key: str) -> HttpResponse:
        for row in self.get_queryset(request).filter(pk=key):
            if ask_for_stacks(get_engine(row.alias), row.pk) is None:
                text = _("The worker has not answered: it is gone, or can't reach Redis.")
                self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(page_url(self.admin_site, Worker, key))

    def _tell(
        self, request: HttpRequest, telling: Telling, rows: list[Worker], stay_url: str = ""
    ) -> HttpResponse:
        """Ask; then tell the workers, and log those that were told.

        `stay_url`: where to go back to, unless it is the list.
        """
        if not request.POST.get("confirmed"):
            return self._ask(request, telling, rows, stay_url)
        told = []
        try:
            for row in rows:
                if get_engine(row.alias).remote_control.tell(row.pk, telling.word):
                    told.append(row)  # noqa: PERF401 - keep those before a fault
        except JobQueueError as error:
            self.message_user(request, str(error), messages.ERROR)
        self.log(request, told, str(telling.log))
        level = messages.SUCCESS if told else messages.WARNING
        self.message_user(request, str(telling.done % {"count": len(told)}), level)
        return HttpResponseRedirect(list_url(self.admin_site, Worker))

    def _ask(
        self, request: HttpRequest, telling: Telling, rows: Iterable[Worker], stay_url: str
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        url = list_url(self.admin_site, Worker)
        context = {
            **self.admin_site.each_context(request),
            "title": telling.title,
            "opts": self.opts,
            "rows": rows,
            "note": telling.note,
            "action": f"{telling.word}_selected",
            "list_url": url,
            "stay_url": stay_url or url,
        }
        return TemplateResponse(request, "admin/django_jobqueue/worker/tell.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons that the user's permissions allow."""
        row = context["original"]
        buttons = [(QUIET.word, QUIET.button)] if not row.stats.quiet else []
        buttons += [(STOP.word, STOP.button), (Word.STACKS, gettext_lazy("Show stacks"))]
        context["buttons"] = [
            {"text": text, "url": page_url(self.admin_site, Worker, row.pk, word.value)}
            for word, text in buttons
            if self.has_manage_workers_permission(request) and not row.stats.stopping
        ]
        return super().render_change_form(request, context, *args, **kwargs)
