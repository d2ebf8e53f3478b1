"""Print for people as tables, and for programs as JSON."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils.functional import Promise

from django_jobqueue.engine import Engine
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import one_line
from django_jobqueue.management import output

GAP = "  "  # between columns
NUMBERS = (int, float)


class Column(NamedTuple):
    """One column: its key in JSON, its head, and how people read its values."""

    key: str
    head: str | Promise
    form: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where one action prints, and what it works on."""

    command: output.Command
    engine: Engine
    as_json: bool
    yes: bool = False  # ask nothing

    def tell(self, text: str = "") -> None:
        self.command.tell(text)

    def note(self, text: str) -> None:
        """Print a line for people, beside what is asked for."""
        if not self.as_json:
            self.command.tell(text)

    def succeed(self, text: str) -> None:
        self.command.tell(text, self.command.style.SUCCESS)

    def show_json(self, value: Any) -> None:
        for line in json.dumps(value, indent=2).splitlines():
            self.command.tell(line)

    def show(self, columns: Sequence[Column], rows: Iterable[dict[str, Any]], empty: str) -> None:
        """Print rows as a table, or as a JSON list; times in JSON are ISO 8601 in UTC."""
        found = list(rows)
        if self.as_json:
            self.show_json([{one.key: row.get(one.key) for one in columns} for row in found])
        elif not found:
            self.tell(empty)
        else:
            for line in _lines(columns, found):
                self.command.tell(line)


def _lines(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    cells = [[str(one.head).upper() for one in columns]]
    cells += [[one.form(row.get(one.key)) for one in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_number = [
        all(isinstance(row.get(one.key), NUMBERS) or row.get(one.key) is None for row in rows)
        and one.form is number
        for one in columns
    ]
    for line in cells:
        placed = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ]
        yield GAP.join(placed).rstrip()


def word(value: Any) -> str:
    return one_line(value) if value else "–"


def words(value: Any) -> str:
    return one_line(", ".join(value)) if value else "–"


def number(value: Any) -> str:
    return phrases.count(value)


def state(value: Any) -> str:
    return str(phrases.STATES[State(value)])


def span(value: Any) -> str:
    """Return seconds in words."""
    return "–" if value is None else phrases.span(round(value * 1000))


def since(value: Any) -> str:
    """Return how long ago a time in ISO 8601 is, or how soon."""
    if not value:
        return "–"
    at = datetime.fromisoformat(value)
    return phrases.since(int(at.timestamp() * 1000), now_ms())


def instant(ms: int | None) -> str | None:
    """Return a time in ISO 8601, in UTC; None if there is none."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
