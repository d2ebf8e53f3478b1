"""The admin of requests: who asked for what, how it stands, and whether the mail went out.

Cancel, retry and resend each need a permission and a POST request, and are logged.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs import phrases
from django_jobqueue.requests import changes, mail
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.status import SYMBOLS

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[JobRequest]
else:
    ModelAdmin = admin.ModelAdmin


@dataclass(frozen=True, slots=True)
class RequestAction:
    """One thing that the admin can do to requests."""

    name: str
    run: Callable[[JobRequest], bool]  # returns whether it was possible
    fits: Callable[[JobRequest], bool]
    button: Promise | str
    log: Promise | str
    done: Any
    refused: Any


CANCEL = RequestAction(
    "cancel",
    changes.cancel,
    lambda row: not row.is_final,
    gettext_lazy("Cancel"),
    gettext_lazy("Cancelled."),
    ngettext_lazy("%(n)d request is being cancelled.", "%(n)d requests are being cancelled.", "n"),
    ngettext_lazy("%(n)d request had ended.", "%(n)d requests had ended.", "n"),
)
RETRY = RequestAction(
    "retry",
    changes.retry,
    lambda row: row.can_retry,
    gettext_lazy("Try again"),
    gettext_lazy("Tried again."),
    ngettext_lazy("%(n)d request is tried again.", "%(n)d requests are tried again.", "n"),
    ngettext_lazy("%(n)d request can’t be tried again.", "%(n)d can’t be tried again.", "n"),
)
RESEND = RequestAction(
    "resend",
    mail.resend,
    lambda row: row.is_final,
    gettext_lazy("Send the mail again"),
    gettext_lazy("Mail sent again."),
    ngettext_lazy("%(n)d mail will be sent.", "%(n)d mails will be sent.", "n"),
    ngettext_lazy("%(n)d mail can’t be sent.", "%(n)d mails can’t be sent.", "n"),
)
ACTIONS = (CANCEL, RETRY, RESEND)


class TimeFilter(admin.DateFieldListFilter):
    """Select by when it was asked for, under the heading "By time"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = _("time")


@admin.register(JobRequest)
class JobRequestAdmin(ModelAdmin):
    """Show requests, which only their people and their jobs change."""

    list_display = ("title", "who", "state_text", "asked", "took", "mail_state", "short_job")
    list_filter = ("state", "mail_state", ("created_at", TimeFilter))
    list_select_related = ("owner",)
    search_fields = ("title", "address", "public_id", "task", "job_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = ("cancel_selected", "retry_selected", "resend_selected")
    view_on_site = False  # the link would open an anonymous person's page
    fieldsets = (
        (None, {"fields": ("title", "who", "ip", "state_text", "job", "task", "public_id")}),
        (
            gettext_lazy("Times"),
            {
                "fields": (
                    "created_at",
                    ("tried_at", "reopened_at"),
                    "finished_at",
                    "seen_at",
                    "language",
                    "zone",
                )
            },
        ),
        (
            gettext_lazy("Result"),
            {
                "fields": (
                    "result_text",
                    "result_url",
                    ("file", "file_expires_at"),
                    "failures",
                    "error_text",
                )
            },
        ),
        (
            gettext_lazy("Mail"),
            {
                "fields": (
                    ("notify", "recipient"),
                    ("mail_state", "notified_at"),
                    ("mail_note", "mail_job"),
                )
            },
        ),
    )

    class Media:
        css = {"all": ["django_jobqueue/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: JobRequest | None = None) -> bool:
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return self._may(CANCEL, request)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self._may(RETRY, request)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return self._may(RESEND, request)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        user = JobRequest._meta.get_field("owner").related_model
        name: str = getattr(user, "USERNAME_FIELD", "pk")
        return [*self.search_fields, f"owner__{name}"]

    @admin.display(description=gettext_lazy("who"), ordering="owner")
    def who(self, row: JobRequest) -> str:
        """Return the user, else what is known of an anonymous person; nothing of a deleted user."""
        if row.owner is not None:
            return str(row.owner)
        return row.address or row.ip or _("unknown")

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_text(self, row: JobRequest) -> str:
        """Return the state as a symbol and a text."""
        return format_html(
            '<span class="jobqueue-state jobqueue-{}"><span aria-hidden="true">{}</span> {}</span>',
            row.state,
            SYMBOLS.get(row.state, "○"),
            row.get_state_display(),
        )

    @admin.display(description=gettext_lazy("asked for"), ordering="created_at")
    def asked(self, row: JobRequest) -> str:
        """Return how long ago that was; the title is the time."""
        ago = _("%(span)s ago") % {"span": _span(row.created_at, timezone.now())}
        return _titled(row.created_at, ago)

    @admin.display(description=gettext_lazy("took"), ordering="finished_at")
    def took(self, row: JobRequest) -> str:
        """Return how long it took; the title is when it finished."""
        if row.finished_at is None:
            return "–"
        return _titled(row.finished_at, _span(row.begun_at, row.finished_at))

    @admin.display(description=gettext_lazy("address"))
    def recipient(self, row: JobRequest) -> str:
        return row.recipient or "–"

    @admin.display(description=gettext_lazy("job"))
    def job(self, row: JobRequest) -> str:
        return self._link(row.job_id)

    @admin.display(description=gettext_lazy("job"))
    def short_job(self, row: JobRequest) -> str:
        """Link to the job by the part of its id that tells it from others."""
        return self._link(row.job_id, slice(28, 34))

    @admin.display(description=gettext_lazy("job of the mail"))
    def mail_job(self, row: JobRequest) -> str:
        return self._link(row.mail_job_id)

    def _link(self, job_id: UUID | None, part: slice = slice(None)) -> str:
        """Link to a job's page, on sites that have one."""
        if job_id is None:
            return "–"
        shown = str(job_id)[part]
        try:
            url = reverse(
                "admin:django_jobqueue_job_change",
                args=[quote(str(job_id))],
                current_app=self.admin_site.name,
            )
        except NoReverseMatch:
            return shown
        return format_html('<a href="{}"><code>{}</code></a>', url, shown)

    @admin.action(permissions=["cancel"], description=gettext_lazy("Cancel selected requests"))
    def cancel_selected(self, request: HttpRequest, queryset: "QuerySet[JobRequest]") -> None:
        self._apply(request, CANCEL, queryset)

    @admin.action(permissions=["retry"], description=gettext_lazy("Retry selected requests"))
    def retry_selected(self, request: HttpRequest, queryset: "QuerySet[JobRequest]") -> None:
        self._apply(request, RETRY, queryset)

    @admin.action(
        permissions=["resend"],
        description=gettext_lazy("Send the mails of selected requests again"),
    )
    def resend_selected(self, request: HttpRequest, queryset: "QuerySet[JobRequest]") -> None:
        self._apply(request, RESEND, queryset)

    def get_urls(self) -> list[URLPattern]:
        return [*map(self._url, ACTIONS), *super().get_urls()]

    def _url(self, action: RequestAction) -> URLPattern:
        return path(
            f"<path:object_id>/{action.name}/",
            self.admin_site.admin_view(partial(self.action_view, action)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{action.name}",
        )

    def action_view(
        self, action: RequestAction, request: HttpRequest, object_id: str
    ) -> HttpResponse:
        """Apply an action to one request, by POST only, and lead back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self._may(action, request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            self.message_user(request, _("The request is gone."), messages.WARNING)
            return HttpResponseRedirect(self._address("changelist"))
        self._apply(request, action, [row])
        return HttpResponseRedirect(self._address("change", object_id))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons that the user's permissions and the request's state allow."""
        row = context["original"]
        context["buttons"] = [
            {"text": action.button, "url": self._address(action.name, quote(row.pk))}
            for action in ACTIONS
            if action.fits(row) and self._may(action, request)
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _may(self, action: RequestAction, request: HttpRequest) -> bool:
        name = f"{self.opts.app_label}.{action.name}_{self.opts.model_name}"
        return cast(Any, request.user).has_perm(name)  # type: ignore[no-any-return]

    def _address(self, view: str, *args: str) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def _apply(
        self, request: HttpRequest, action: RequestAction, rows: Iterable[JobRequest]
    ) -> None:
        """Apply an action to each row, log what was done, and say what was refused."""
        done, refused = [], 0
        try:
            for row in rows:
                if action.fits(row) and action.run(row):
                    done.append(row)
                else:
                    refused += 1
        except JobQueueError as error:
            self.message_user(request, str(error), messages.ERROR)
        if done:
            LogEntry.objects.log_actions(
                user_id=cast(Any, request.user).pk,
                queryset=done,
                action_flag=CHANGE,
                change_message=str(action.log),
            )
            self.message_user(request, str(action.done % {"n": len(done)}), messages.SUCCESS)
        if refused:
            self.message_user(request, str(action.refused % {"n": refused}), messages.WARNING)


def _span(start: datetime, end: datetime) -> str:
    return phrases.span(max(0, round((end - start).total_seconds() * 1000)))


def _titled(at: datetime, shown: str) -> str:
    """Return a text about a time, which is its title."""
    return format_html('<time class="jobqueue-time" title="{}">{}</time>', localize(at), shown)
