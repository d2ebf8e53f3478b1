"""The format of states, times, durations and texts in the admin, without any reads."""

import json
import re
import time
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line, spelled

NOTHING = "–"
LONG_NAME = 12  # characters of a part of a name that is not broken at all
NARROW_NAME = 8  # the same in a narrow column
LONGEST = 20_000  # characters of a text that are shown
_WORDS = re.compile(r"(?<=[_.])(?=.)")  # between them a name may be broken

SYMBOLS = {
    State.SCHEDULED: "◷",
    State.QUEUED: "○",
    State.WAITING: "◇",
    State.RUNNING: "▶",
    State.SUCCEEDED: "✔",
    State.FAILED: "✖",
    State.CANCELLED: "⊘",
}


# In some languages these words are long: there they have soft hyphens.
HEADS = {
    State.RUNNING: pgettext_lazy("column", "running"),
    State.QUEUED: pgettext_lazy("column", "queued"),
    State.WAITING: pgettext_lazy("column", "waiting"),
    State.SCHEDULED: pgettext_lazy("column", "scheduled"),
    State.FAILED: pgettext_lazy("column", "failed"),
    State.SUCCEEDED: pgettext_lazy("column", "succeeded"),
    State.CANCELLED: pgettext_lazy("column", "cancelled"),
}


def state_badge(state: State) -> SafeString:
    """Return a state as a symbol and a text."""
    return format_html(
        '<span class="jobqueue-state jobqueue-{}"><span aria-hidden="true">{}</span>'
        "\N{NO-BREAK SPACE}{}</span>",
        state,
        SYMBOLS[state],
        phrases.STATES[state],
    )


def failure(text: str) -> SafeString:
    """Return a fault as a symbol and a text."""
    return format_html(
        '<span class="jobqueue-failed"><span aria-hidden="true">✖</span> {}</span>', text
    )


def short_task(path: str, long_name: int = LONG_NAME) -> SafeString:
    """Return the end of a task's path, with the whole path as title.

    These are the last two parts; but most modules of tasks are named so, then it is the app too.
    A narrow column breaks it between them, and a long part between its words, never within one.
    """
    return _short_task(one_line(path), long_name)


@lru_cache(maxsize=1024)
def _short_task(path: str, long_name: int) -> SafeString:
    *modules, name = path.split(".")
    parts = [f"{part}." for part in modules[-2 if modules[-1:] == ["tasks"] else -1 :]]
    words: list[str] = []
    for part in (*parts, name):
        words += _WORDS.split(part) if len(part) > long_name else [part]
    return format_html('<bdi class="jobqueue-task" title="{}">{}</bdi>', path, _breakable(words))


def whole_task(path: str) -> SafeString:
    """Return a task's path, which a narrow column breaks between its words, never within one."""
    words = _WORDS.split(one_line(path))
    return format_html('<bdi class="jobqueue-task">{}</bdi>', _breakable(words))


def _breakable(words: Iterable[str]) -> SafeString:
    return format_html_join(mark_safe("<wbr>"), "{}", ((word,) for word in words))


def duration(ms: int) -> SafeString:
    """Return a duration as `span` does, apart from the writing direction of the text around it."""
    return format_html("<bdi>{}</bdi>", span(ms))


def span(ms: int) -> str:
    """Return a duration whose lines don't end between a number and its unit."""
    return _unbroken(phrases.span(ms))


def since(ms: int) -> str:
    """Return a time, and how long ago it was or how soon it is."""
    return _unbroken(phrases.since(ms, now_ms()))


def _unbroken(text: str) -> str:
    return re.sub(r"(?<=\d) ", "\N{NO-BREAK SPACE}", text)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def time_of(ms: int | None, *, short: bool = False) -> SafeString | str:
    """Return a time in the user's time zone; a short time of today has no date.

    The title is the exact time.
    """
    if not ms:
        return NOTHING
    try:
        at = phrases.local(ms)
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
    shown = time_of(ms, short=short)
    return format_html('{} <bdi class="jobqueue-age">{}</bdi>', shown, _age(ms))


def age_of(ms: int | None) -> SafeString | str:
    """Return how long ago a time is, or how soon; the title is the exact time."""
    if not ms:
        return NOTHING
    try:
        at = phrases.local(ms)
    except (OverflowError, ValueError, OSError):  # out of range
        return NOTHING
    return format_html(
        '<time class="jobqueue-time" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        at.isoformat(sep=" ", timespec="milliseconds"),
        _age(ms),
    )


def _age(ms: int) -> str:
    age = now_ms() - ms
    text = _("%(span)s ago") if age >= 0 else _("in %(span)s")
    return text % {"span": span(abs(age))}


def exact_time(ms: int) -> SafeString:
    """Return a time in the user's time zone, in figures, to the millisecond."""
    at = phrases.local(ms)
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
