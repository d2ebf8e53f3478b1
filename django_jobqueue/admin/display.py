"""The format of states, times, durations and texts in the admin, without any reads."""

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line, spelled

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NOTHING = "–"
LONGEST = 20_000  # characters of a text that are shown

SYMBOLS = {
    State.SCHEDULED: "◷",
    State.QUEUED: "○",
    State.WAITING: "◇",
    State.RUNNING: "▶",
    State.SUCCEEDED: "✔",
    State.FAILED: "✖",
    State.CANCELLED: "⊘",
}
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
    "cancelled": gettext_lazy("cancelled by hand"),
    "expired": gettext_lazy("it was not started in time"),
    "bad_signature": gettext_lazy("its record is not signed by this project; it was not run"),
    "task_unknown": gettext_lazy("the worker's code has no such task"),
    "damaged": gettext_lazy("its record in Redis is damaged"),
    "timed_out": gettext_lazy("it used up its time"),
    "lease_lost": gettext_lazy("it lost its lease too often, and may not run without"),
    "out_of_memory": gettext_lazy("its process was killed too often for lack of memory"),
    "lost": gettext_lazy("its worker was lost too often while running it"),
}
# Reasons that end in a number: of the signal, or the exit code.
NUMBERED: dict[str, "_StrPromise"] = {
    "killed": gettext_lazy("its process was killed too often while running it: signal %s"),
    "exited": gettext_lazy("its process ended too often while running it: exit code %s"),
}


def state_badge(state: State) -> SafeString:
    """Return a state as a symbol and a text."""
    return format_html(
        '<span class="jobqueue-state jobqueue-{}"><span aria-hidden="true">{}</span> {}</span>',
        state,
        SYMBOLS[state],
        STATES[state],
    )


def failure(text: str) -> SafeString:
    """Return a fault as a symbol and a text."""
    return format_html(
        '<span class="jobqueue-failed"><span aria-hidden="true">✖</span> {}</span>', text
    )


def short_task(path: str) -> SafeString:
    """Return the last two parts of a task's path, with the whole path as title.

    A narrow column can break it between words.
    """
    path = one_line(path)
    words = re.split(r"(?<=[._])", ".".join(path.split(".")[-2:]))
    shown = format_html_join(mark_safe("<wbr>"), "{}", ((word,) for word in words))
    return format_html('<bdi title="{}">{}</bdi>', path, shown)


def duration(ms: int) -> SafeString:
    """Return a duration as `span` does, apart from the writing direction of the text around it."""
    return format_html("<bdi>{}</bdi>", span(ms))


def span(ms: int) -> str:
    """Return a duration in its two largest units."""
    seconds = ms / 1000
    if seconds < 1:
        return _("%(ms)d ms") % {"ms": ms}
    if seconds < 60:
        return _("%(seconds).1f s") % {"seconds": seconds}
    minutes = int(seconds // 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {
            "minutes": minutes,
            "seconds": int(seconds % 60),
        }
    hours = minutes // 60
    if hours < 48:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(days)d d %(hours)d h") % {"days": hours // 24, "hours": hours % 24}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def time_of(ms: int | None, *, short: bool = False) -> SafeString | str:
    """Return a time in the user's time zone; a short time of today has no date.

    The title is the exact time.
    """
    if not ms:
        return NOTHING
    try:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        at = timezone.localtime(at) if settings.USE_TZ else timezone.make_naive(at)
        form = "SHORT_DATETIME_FORMAT" if short else "DATETIME_FORMAT"
        if short and at.date() == datetime.now(at.tzinfo).date():
            form = "TIME_FORMAT"
        exact = at.isoformat(sep=" ", timespec="milliseconds")
        return format_html(
            '<time class="jobqueue-time" datetime="{}" title="{}">{}</time>',
            at.isoformat(),
            exact,
            date_format(at, form),
        )
    except (OverflowError, ValueError, OSError):  # out of range
        return NOTHING


def time_and_age(ms: int | None, *, short: bool = False) -> SafeString | str:
    """Return a time and its distance from now."""
    if not ms:
        return NOTHING
    age = now_ms() - ms
    text = _("%(span)s ago") if age >= 0 else _("in %(span)s")
    words = text % {"span": span(abs(age))}
    return format_html('{} <bdi class="jobqueue-age">{}</bdi>', time_of(ms, short=short), words)


def reason(code: str) -> str:
    """Return a reason's code in words; an unknown code unchanged."""
    kind, _, number = code.partition("_")
    if kind in NUMBERED:
        return NUMBERED[kind] % one_line(number)
    return str(REASONS.get(code, one_line(code)))


def exact_time(ms: int) -> SafeString:
    """Return a time in the user's time zone, in figures, to the millisecond."""
    aware = datetime.fromtimestamp(ms / 1000, UTC)
    at = timezone.localtime(aware) if settings.USE_TZ else timezone.make_naive(aware)
    text = at.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
    return format_html(
        '<time class="jobqueue-time" dir="ltr" datetime="{}">{}</time>', at.isoformat(), text
    )


def pretty(value: object) -> str:
    """Return a JSON value with line breaks, cut to `LONGEST`."""
    return cut(json.dumps(value, indent=2, ensure_ascii=False))


def cut(text: str) -> str:
    """Return a text, cut to `LONGEST` characters with a note."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST] + _("\n… cut here: %(length)d characters in all") % {"length": len(text)}


def sendable(text: str) -> str:
    """Return a text with lone surrogates, which JSON may contain, as escape sequences."""
    return text.encode(errors="backslashreplace").decode()


def block(text: str) -> SafeString:
    """Return lines of text, with other control characters escaped; a keyboard can scroll it."""
    shown = spelled(text, kept="\n\t")
    return format_html('<pre class="jobqueue-text" tabindex="0">{}</pre>', shown)
