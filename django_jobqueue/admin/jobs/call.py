"""The display of a job's call and result, within the user's permissions."""

from contextlib import suppress
from functools import cached_property
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_jobqueue.admin import display
from django_jobqueue.admin.viewer import Viewer
from django_jobqueue.engine import get_engine
from django_jobqueue.exceptions import BadSignature, TaskUnknown
from django_jobqueue.jobs.job import Job as Snapshot
from django_jobqueue.jobs.payload import load_call, load_value
from django_jobqueue.jobs.redaction import HIDDEN, Redactor
from django_jobqueue.jobs.states import State
from django_jobqueue.paths import find


class CallDisplay:
    """Show the arguments and the result of one job; verify its signature once."""

    def __init__(self, alias: str, job: Snapshot, viewer: Viewer) -> None:
        self._engine = get_engine(alias)
        self._job = job
        self._viewer = viewer

    def arguments(self) -> SafeString | str:
        if not self._viewer.may("view_payload"):
            return _("You need the permission to see arguments and results.")
        if self._job.payload is None:
            return _("The record of the arguments is lost.")
        if self._signed is None:
            return _("Not signed by this project, so they are not shown.")
        try:
            args, kwargs, metadata = load_call(self._signed)
            call = _call(args, kwargs, metadata)
            if self._viewer.may("view_sensitive"):
                return _block(call, call)
            shown = _call(*self._redactor.call(args, kwargs), self._redactor.value(metadata))
            return _block(call, shown)
        except (ValueError, RecursionError):
            return _("They can't be read: this is not the form of a call.")

    def result(self) -> SafeString | str:
        if self._job.state is not State.SUCCEEDED:
            return display.NOTHING
        if not self._viewer.may("view_payload"):
            return _("You need the permission to see arguments and results.")
        data = self._job.result or b"null"
        is_open = self._viewer.may("view_sensitive")
        try:
            value = load_value(data)
            return _block(value, value if is_open else self._redactor.value(value))
        except (ValueError, RecursionError):
            if is_open:
                return display.block(display.cut(data.decode(errors="replace")))
            return _("It can't be read: this is no JSON.")

    @cached_property
    def _signed(self) -> bytes | None:
        """Return the verified call; None if this project has not signed it."""
        job = self._job
        try:
            return self._engine.signer.verify(job.id, job.task, job.payload or b"")
        except BadSignature:
            return None

    @cached_property
    def _redactor(self) -> Redactor:
        """Return the redactor of the task; the path of an unsigned job is not imported."""
        task = None
        if self._signed is not None:
            with suppress(TaskUnknown):
                task = find(self._job.task)
        return Redactor(task, self._engine.options.sensitive)


def _call(args: Any, kwargs: Any, metadata: Any) -> dict[str, Any]:
    return {"args": args, "kwargs": kwargs} | ({"metadata": metadata} if metadata else {})


def _block(value: Any, shown: Any) -> SafeString:
    """Return the shown part of a value, with a note if some of it is hidden."""
    text = display.block(display.pretty(shown))
    if shown == value:
        return text
    note = _(
        "%(dots)s hides a value: its name marks a secret, or nobody knows its name. "
        "To see it takes one more permission."
    )
    return format_html('{}<p class="jobqueue-note">{}</p>', text, note % {"dots": HIDDEN})
