"""How states, outcomes, reasons, times and durations are said to people, on pages and terminals."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

STATES: dict[State, "_StrPromise"] = {
    State.SCHEDULED: gettext_lazy("scheduled"),
    State.QUEUED: gettext_lazy("queued"),
    State.WAITING: gettext_lazy("waiting"),
    State.RUNNING: gettext_lazy("running"),
    State.SUCCEEDED: gettext_lazy("succeeded"),
    State.FAILED: gettext_lazy("failed"),
    State.CANCELLED: gettext_lazy("cancelled"),
}
OUTCOMES: dict[str, "_StrPromise"] = {
    "succeeded": gettext_lazy("succeeded"),
    "failed": gettext_lazy("failed"),
    "retried": gettext_lazy("failed, to be retried"),
    "cancelled": gettext_lazy("cancelled"),
    "released": gettext_lazy("released by its worker"),
    "recovered": gettext_lazy("lost with its worker"),
    "requeued": gettext_lazy("requeued by hand"),
}
REASONS: dict[str, "_StrPromise"] = {
    "exception": gettext_lazy("the task raised an exception"),
    "by_task": gettext_lazy("the task asked for it"),
    "expired": gettext_lazy("it was not started in time"),
    "limit": gettext_lazy("as many jobs of its key ran as may"),
    "superseded": gettext_lazy("a newer job of its key was stored"),
    "not_called": gettext_lazy("its workflow ended in another way"),
    "unsealed": gettext_lazy("its workflow was never stored whole"),
    "cancelled": gettext_lazy("cancelled by hand"),
    "bad_signature": gettext_lazy("its record is not signed by this project; it was not run"),
    "task_unknown": gettext_lazy("the worker's code has no such task"),
    "damaged": gettext_lazy("its record in Redis is damaged"),
    "timed_out": gettext_lazy("it used up its time"),
    "lease_lost": gettext_lazy("it lost its lease too often, and may not run without"),
    "out_of_memory": gettext_lazy("its process was killed too often for lack of memory"),
    "lost": gettext_lazy("its worker was lost too often while running it"),
    "ledger_away": gettext_lazy("its row in the database could not be read or written"),
    "overtaken": gettext_lazy("another run of it holds its row in the database"),
}
# Reasons that end in a number: of the signal, or the exit code.
NUMBERED: dict[str, "_StrPromise"] = {
    "killed": gettext_lazy("its process was killed too often while running it: signal %s"),
    "exited": gettext_lazy("its process ended too often while running it: exit code %s"),
}


def reason(code: str) -> str:
    """Return a reason's code in words; an unknown code unchanged."""
    if code.startswith("parent:"):
        return _("job %(id)s, for which it waited, did not succeed") % {
            "id": one_line(code.removeprefix("parent:"))
        }
    kind, *rest = code.partition("_")
    if kind in NUMBERED:
        return NUMBERED[kind] % one_line(rest[-1])
    return str(REASONS.get(code, one_line(code)))


def span(ms: int) -> str:
    """Return a duration in its two largest units; tenths of a second only below 10 s."""
    if ms < 1_000:
        return _("%(ms)d ms") % {"ms": ms}
    seconds = ms // 1_000
    if ms < 60_000:
        shown = number_format(ms // 100 / 10, 1) if seconds < 10 else seconds
        return _("%(seconds)s s") % {"seconds": shown}
    minutes = seconds // 60
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds % 60}
    hours = minutes // 60
    if hours < 48:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(days)d d %(hours)d h") % {"days": hours // 24, "hours": hours % 24}


def count(number: int | None) -> str:
    """Return a number with separators between its thousands; a dash if it is not known."""
    if number is None:
        return "–"
    return number_format(number, use_l10n=True, force_grouping=True)


def mebibytes(size: int) -> str:
    """Return bytes as whole MiB."""
    return _("%(size)s MiB") % {"size": count(size // 2**20)}


def local(ms: int) -> datetime:
    """Return a time in the user's time zone; naive unless USE_TZ.

    Raises: OverflowError, ValueError, OSError if it is out of range.
    """
    aware = datetime.fromtimestamp(ms / 1000, UTC)
    return timezone.localtime(aware) if settings.USE_TZ else timezone.make_naive(aware)


def clock(ms: int) -> str:
    """Return a time in the user's time zone, without its date if it is of today."""
    try:
        at = local(ms)
    except (OverflowError, ValueError, OSError):
        return "–"
    is_today = at.date() == datetime.now(at.tzinfo).date()
    return str(date_format(at, "TIME_FORMAT" if is_today else "SHORT_DATETIME_FORMAT"))


def since(ms: int, now: int) -> str:
    """Return a time, and how long ago it was or how soon it is."""
    words = _("%(time)s (%(span)s ago)") if ms <= now else _("%(time)s (in %(span)s)")
    return words % {"time": clock(ms), "span": span(abs(now - ms))}
