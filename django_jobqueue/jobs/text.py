"""What a job reports and what Redis holds, as text that is safe to show.

Anybody may have written it, so no bytes make a read fail. Next: engine/jobs.py stores a line.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

MAX_LINE = 500  # characters of a line, and of the text of a progress report
MAX_LINES = 100  # of one job; the newest are kept
MAX_NUMBER = 10**14  # every number in Redis is smaller; as a time in ms, it is the year 5138

# Terminal control characters, marks that change the writing direction, and surrogates. The joiners
# U+200C and U+200D are allowed, because some scripts can't be written without them.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")  # what `text` makes of a byte that is not UTF-8

StoredLine = tuple[int, str]  # ms since the epoch by the server, text


class Progress(NamedTuple):
    """The progress that a job has reported."""

    current: int
    total: int
    text: str

    @property
    def percent(self) -> int:
        return min(100, max(0, self.current * 100 // self.total)) if self.total else 0


class LogLine(NamedTuple):
    """A line of a job's log."""

    at: datetime  # by the server's clock; aware if USE_TZ
    text: str


def spelled(what: str, kept: str = "") -> str:
    """Return a text of any length with its control characters escaped, except those in `kept`."""
    if what.isprintable() or not _HARMFUL.search(what):  # the first is quick, and most are
        return what
    return _HARMFUL.sub(lambda found: found[0] if found[0] in kept else _escaped(found), what)


def text(value: bytes) -> str:
    r"""Return bytes of Redis as a text, with a byte that is not UTF-8 as an escape like \xff.

    A lone surrogate would keep the byte too, but no page, link, log or database takes one. `raw`
    returns the bytes of a name, so that what is shown can also be cancelled or deleted.
    """
    return value.decode("utf-8", "backslashreplace")


def raw(name: str) -> str | bytes:
    """Return the name that `text` has read, as Redis holds it.

    A name that spells such an escape itself is taken for the byte; this package makes none.
    """
    if "\\" not in name:
        return name
    data = name.encode(errors="backslashreplace")
    return _BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), data)


def number(value: bytes | str) -> int:
    """Return a whole number of Redis.

    Raises: ValueError if the value is not a whole number, or its size reaches MAX_NUMBER.
    """
    found = int(value)
    if -MAX_NUMBER < found < MAX_NUMBER:
        return found
    raise ValueError(f"{found} is out of bounds")


def ms(value: bytes | str) -> int:
    """Return a time of Redis in ms.

    Raises: ValueError if the value is not a whole number of 0 or more below MAX_NUMBER.
    """
    found = int(value)
    if 0 <= found < MAX_NUMBER:
        return found
    raise ValueError(f"{found} is no time")


def ms_of(score: bytes | float) -> int | None:
    """Return a score of Redis as a time in ms; None if it can't be one."""
    found = float(score)
    return int(found) if 0 <= found < MAX_NUMBER else None


def one_line(what: object) -> str:
    """Return a text as one line: control characters escaped, an ellipsis where it is cut."""
    shown = spelled(str(what)[: MAX_LINE + 1])
    return shown if len(shown) <= MAX_LINE else shown[: MAX_LINE - 1] + "…"


def read_log(stored: Iterable[bytes]) -> tuple[StoredLine, ...]:
    """Parse stored lines, `<ms> <text>`, omitting those that can't be read."""
    lines = []
    for line in stored:
        at, _, words = line.partition(b" ")
        if at.isdigit() and len(at) == 13:  # a time from 2001 to 2286
            lines.append((int(at), text(words)))
    return tuple(lines)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return " " if char in "\t\n\v\f\r\x85\u2028\u2029" else ascii(char)[1:-1]


def ms_in(fields: Mapping[bytes, bytes | None], name: bytes, default: int = 0) -> int:
    """Return a field as a number of 0 or more; a damaged field counts as missing."""
    try:
        return ms(fields.get(name) or b"")
    except ValueError:
        return default
