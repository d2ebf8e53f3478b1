"""What the admins share: how they ask, log and tell; and pages that only show.

A page stands also when Redis is away.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from django_jobqueue.admin.links import list_url
from django_jobqueue.admin.queryset import Rows
from django_jobqueue.admin.source import Source, aliases
from django_jobqueue.exceptions import JobQueueError

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
else:

    class ModelAdmin(admin.ModelAdmin):
        """Take a type in brackets, which Django's class does only in its stubs."""

        def __class_getitem__(cls, model: type[Model]) -> type:
            return cls


class QueueModelAdmin(ModelAdmin[M]):
    """Ask for the app's own permissions, log, and tell of what could not be read."""

    class Media:
        css: ClassVar = {"all": ["django_jobqueue/admin.css"]}

    def alias_column(self) -> tuple[str, ...]:
        """Return the column that tells aliases apart, if there are several."""
        return ("alias",) if len(aliases()) > 1 else ()

    def has_own_permission(self, request: HttpRequest, codename: str) -> bool:
        """Tell whether the user has one of the permissions that this app adds."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}"))

    def log(self, request: HttpRequest, rows: Iterable[M], text: str, flag: int = CHANGE) -> None:
        """Write one entry per row into the admin's log."""
        LogEntry.objects.log_actions(
            user_id=cast(Any, request.user).pk,
            queryset=rows,
            action_flag=flag,
            change_message=text,
        )

    def warn_once(self, request: HttpRequest, text: str) -> None:
        """Show an error, unless a page before this one left the same to be shown."""
        waiting: Any = messages.get_messages(request)
        known = {str(message) for message in waiting}
        waiting.used = False  # to look at them is not to show them
        if text not in known:
            self.message_user(request, text, messages.ERROR)


class LiveAdmin(QueueModelAdmin[M]):
    """Show rows of Redis; nothing can be added or changed by a form."""

    rows: ClassVar[type[Rows[Any]]]
    hint: ClassVar[Any] = ""  # below the search field
    show_facets = ShowFacets.NEVER  # they would need SQL
    sortable_by = ()  # the order is that of the indexes

    def get_queryset(self, request: HttpRequest) -> Any:
        return self.rows(self.model, Source())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with what it leaves out and what could not be read."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        response = super().changelist_view(request, title | (extra_context or {}))
        context = getattr(response, "context_data", None)
        if isinstance(response, TemplateResponse) and context and "cl" in context:
            rows = context["cl"].queryset
            context["notes"] = rows.notes()
            context["hint"] = self.hint
            for fault in rows.source.faults.values():
                self.warn_once(request, fault)
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        see = super().changeform_view
        return self._or_list(request, lambda: see(request, object_id, form_url, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        see = super().delete_view
        return self._or_list(request, lambda: see(request, object_id, extra_context))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        see = super().history_view
        return self._or_list(request, lambda: see(request, object_id, extra_context))

    def _or_list(self, request: HttpRequest, see: Callable[[], HttpResponse]) -> HttpResponse:
        """Return a page; if the queue can't give it, go to the list and say why."""
        try:
            return see()
        except JobQueueError as error:
            self.warn_once(request, str(error))
            return HttpResponseRedirect(list_url(self.admin_site, self.model))
