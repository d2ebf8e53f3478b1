"""Report the progress of a loop over rows as the progress of the job that runs it."""

import operator
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, overload

from django_jobqueue.jobs.context import Report, current_report, send_progress

T = TypeVar("T")
Text = str | Callable[[T], object]

EVERY = 0.05  # seconds between two reports of a loop; the worker stores only some of them


class Tracked(Generic[T]):
    """What `track` returns, for `for` and `async for`."""

    def __init__(self, rows: Any, total: int | None, text: Text[T]) -> None:
        self._rows = rows
        self._total = total
        self._text = text

    def __iter__(self) -> Iterator[T]:
        report = current_report.get()
        if report is None:
            yield from self._rows
            return
        total = operator.length_hint(self._rows) if self._total is None else self._total
        counter = _Counter(report, total, self._text)
        for row in self._rows:
            yield row
            counter.add(row)
        counter.end()

    async def __aiter__(self) -> AsyncIterator[T]:
        report = current_report.get()
        if report is None:
            async for row in self._rows:
                yield row
            return
        total = self._total
        if total is None:
            total = await self._rows.acount() if hasattr(self._rows, "acount") else 0
        counter = _Counter(report, total, self._text)
        async for row in self._rows:
            yield row
            counter.add(row)
        counter.end()


class _Counter(Generic[T]):
    """Count rows, and report them now and then."""

    def __init__(self, report: Report, total: int, text: Text[T]) -> None:
        self._report = report
        self._total = total
        self._text = text
        self._done = 0
        self._said = ""  # the text of the latest row
        self._next_at = 0.0  # monotonic
        self._send()

    def add(self, row: T) -> None:
        """Count a row that is done."""
        self._done += 1
        if time.monotonic() >= self._next_at or self._done == self._total:
            self._said = str(self._text(row)) if callable(self._text) else ""
            self._send()

    def end(self) -> None:
        """Report the end: as many rows as there were."""
        if self._done != self._total:
            self._total = self._done
            self._send()

    def _send(self) -> None:
        self._next_at = time.monotonic() + EVERY
        text = self._said if callable(self._text) else self._text
        if not self._total:  # unknown, so the number is the progress
            text = f"{text} {self._done}".strip()
        send_progress(self._report, self._done, self._total, text)


@overload
def track(rows: Iterable[T], total: int | None = None, text: Text[T] = "") -> Tracked[T]: ...
@overload
def track(rows: AsyncIterable[T], total: int | None = None, text: Text[T] = "") -> Tracked[T]: ...


def track(rows: Any, total: int | None = None, text: Any = "") -> Tracked[Any]:
    """Iterate over `rows`, and report the progress of the job that does so.

    `total` is how many there are; None: what `rows` itself says. `text` is a line about the
    work, or a function that returns one about a row. Outside a job only the rows are returned.
    """
    return Tracked(rows, total, text)
