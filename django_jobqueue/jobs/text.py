"""What a job reports: its progress and its log, in lines of text that are safe to show anywhere.

Next: engine/jobs.py stores a line.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

MAX_LINE = 500  # characters of a line, and of the text of a progress report
MAX_LINES = 100  # of one job; the newest are kept

# Terminal control characters, marks that change the writing direction, and surrogates. The joiners
# U+200C and U+200D are allowed, because some scripts can't be written without them.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

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


def spelled(text: str, kept: str = "") -> str:
    """Return a text of any length with its control characters escaped, except those in `kept`."""
    if not _HARMFUL.search(text):
        return text
    return _HARMFUL.sub(lambda found: found[0] if found[0] in kept else _escaped(found), text)


def one_line(text: object) -> str:
    """Return a text as one line: control characters escaped, an ellipsis where it is cut."""
    shown = spelled(str(text)[: MAX_LINE + 1])
    return shown if len(shown) <= MAX_LINE else shown[: MAX_LINE - 1] + "…"


def read_log(stored: Iterable[bytes]) -> tuple[StoredLine, ...]:
    """Parse stored lines, `<ms> <text>`, omitting those that can't be read."""
    lines = []
    for line in stored:
        at, _, text = line.partition(b" ")
        if at.isdigit() and len(at) == 13:  # a time from 2001 to 2286
            lines.append((int(at), text.decode(errors="replace")))
    return tuple(lines)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return " " if char in "\t\n\v\f\r\x85\u2028\u2029" else ascii(char)[1:-1]
