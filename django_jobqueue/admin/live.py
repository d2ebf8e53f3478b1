"""The base classes of this app's admins, for models with a table and for rows in Redis.

Pages are shown even if Redis is unavailable.
"""

import re
from collections.abc import Callable, Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from django_jobqueue.admin import pages
from django_jobqueue.admin.links import list_url
from django_jobqueue.admin.rows import Rows
from django_jobqueue.admin.source import Source, aliases
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.exceptions import JobQueueError

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
else:

    class ModelAdmin(admin.ModelAdmin):
        """Accept a type in brackets, as only the stubs of Django's class do."""

        def __class_getitem__(cls, model: type[Model]) -> type:
            return cls


class StandIn:
    """A row whose markup shows where the key and the name of a row stand."""

    pk = "key-of-a-row"

    def __str__(self) -> str:
        return "name-of-a-row"


STAND_IN = re.compile(f"{StandIn.pk}|{StandIn()}")


class JobQueueModelAdmin(ModelAdmin[M]):
    """The base of all admins of this app; lists and pages use one copy per request."""

    list_per_page = 50  # a row takes Django up to a millisecond
    viewer = Viewer()  # of the request
    hint: ClassVar[Any] = ""  # below the search field
    _source: Source | None = None  # of the request
    _box = SafeString()  # of the request: that of a row, with a stand-in

    class Media:
        css: ClassVar = {"all": ["django_jobqueue/admin.css"]}

    def for_request(self, request: HttpRequest) -> Self:
        """Return a copy with the user of the request and a source of its own.

        All requests share the registered admin, and Django passes no request to the methods
        that show a column or a field.
        """
        mine = copy(self)
        mine.viewer, mine._source = Viewer(request.user), Source()
        return mine

    @property
    def source(self) -> Source:
        """Return the source of this request; on the shared admin, a new one each time."""
        return self._source or Source()

    def notes(self, changelist: ChangeList) -> list[str]:
        """Return the notes to show above the list."""
        return []

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return True if a filter of the list has this name.

        By other lookups of the address, such as args__0__startswith, a user could guess what a row
        has in fields that the user may not see.
        Raises: IncorrectLookupParameters, which leads back to the list.
        """
        offered = [getattr(one, "parameter_name", None) for one in self.get_list_filter(request)]
        if lookup in offered:
            return True
        raise IncorrectLookupParameters(f"No filter of this list is named {lookup!r}.")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with its notes and the faults of its reads."""
        mine = self.for_request(request)
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        show = super(JobQueueModelAdmin, mine).changelist_view
        response = show(request, title | (extra_context or {}))
        context = getattr(response, "context_data", None)
        if isinstance(response, TemplateResponse) and context and "cl" in context:
            context["notes"] = mine.notes(context["cl"])
            context["hint"] = self.hint
            context["pages"] = self.page_links(mine.viewer)
            context["is_unknown"] = bool(mine.source.faults)  # then no row does not mean none
            for fault in mine.source.faults.values():
                self.warn_once(request, fault)
        return response

    def page_links(self, viewer: Viewer) -> list[pages.Link]:
        """Return the links above the list."""
        return pages.links(self.admin_site, viewer, f"{self.opts.model_name}s")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        show = super(JobQueueModelAdmin, self.for_request(request)).changeform_view
        return self.or_to_list(request, show, *args, **kwargs)

    def or_to_list(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Return a view's page; after a JobQueueError, show it and redirect to the list."""
        try:
            return view(request, *args, **kwargs)
        except JobQueueError as error:
            self.warn_once(request, str(error))
            return HttpResponseRedirect(list_url(self.admin_site, self.model))

    def get_list_display(self, request: HttpRequest) -> Any:
        return (*self.list_display, *self.alias_column())

    def action_checkbox(self, row: M) -> SafeString:
        """Return the box that selects a row, in the markup that Django makes once for all rows."""
        if self._source is None:  # the shared admin: its users may not see the same language
            return super().action_checkbox(row)
        self._box = self._box or super().action_checkbox(cast(M, StandIn()))
        values = {StandIn.pk: escape(row.pk), str(StandIn()): escape(row)}
        return mark_safe(STAND_IN.sub(lambda found: values[found[0]], self._box))  # noqa: S308 - escaped

    def alias_column(self) -> tuple[str, ...]:
        """Return the alias column if there are several aliases."""
        return ("alias",) if len(aliases()) > 1 else ()

    def log(self, request: HttpRequest, rows: Iterable[M], text: str, flag: int = CHANGE) -> None:
        """Write one entry per row to the admin's log."""
        LogEntry.objects.log_actions(
            user_id=cast(Any, request.user).pk,
            queryset=rows,
            action_flag=flag,
            change_message=text,
        )

    def warn_once(self, request: HttpRequest, text: str) -> None:
        """Show an error, unless the same text already waits to be shown."""
        waiting: Any = messages.get_messages(request)
        known = {str(message) for message in waiting}
        waiting.used = False  # reading them does not show them
        if text not in known:
            self.message_user(request, text, messages.ERROR)


class LiveModelAdmin(JobQueueModelAdmin[M]):
    """The base of admins whose rows are in Redis; no form adds or changes them."""

    rows: ClassVar[type[Rows[Any]]]
    show_facets = ShowFacets.NEVER  # facets need SQL
    sortable_by = ()  # the indexes fix the order

    def get_queryset(self, request: HttpRequest) -> Any:
        return self.rows(self.model, self.source)

    def notes(self, changelist: ChangeList) -> list[str]:
        rows: Any = changelist.queryset
        return list(rows.notes())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.or_to_list(request, super().delete_view, *args, **kwargs)

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.or_to_list(request, super().history_view, *args, **kwargs)
