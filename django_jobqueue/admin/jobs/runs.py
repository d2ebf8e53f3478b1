"""The way of one job through its runs, oldest first: what failed, where, and what it wrote.

The texts of tasks may tell arguments, so they take the permission to see these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_jobqueue.admin import display
from django_jobqueue.jobs import phrases
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import Run
from django_jobqueue.jobs.states import Outcome, State
from django_jobqueue.jobs.text import StoredLine, one_line

BROKEN = (Outcome.FAILED, Outcome.RETRIED, Outcome.RECOVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of a job, as the page shows it."""

    symbol: str
    text: str
    at: SafeString | str
    is_broken: bool = False
    facts: Sequence[tuple[str, SafeString | str]] = ()
    error: str = ""
    traceback: str = ""
    lines: Sequence[dict[str, Any]] = ()


class History:
    """Tell the steps of one job."""

    def __init__(self, job: Job, *, is_open: bool) -> None:
        self._job = job
        self._is_open = is_open
        self._lines = list(job.log) if is_open else []  # those that no step has told yet

    def events(self) -> list[Event]:
        return [*self._events(), *self._rest()]

    def error(self) -> str:
        """Return what the latest run failed with; empty: it did not fail."""
        for run in reversed(self._job.current_runs):
            if run.exception:
                return error_of(run, is_open=self._is_open)
        return ""

    def _events(self) -> Iterator[Event]:
        yield Event(symbol="+", text=_("enqueued"), at=display.time_of(self._job.enqueued_at))
        for run in self._job.runs:
            if run.outcome == Outcome.REQUEUED:
                said = str(phrases.OUTCOMES[Outcome.REQUEUED])
                yield Event(symbol="↻", text=said, at=display.time_of(run.finished_at))
            else:
                yield self._ended(run)
        if self._job.state is State.RUNNING:
            yield self._current()

    def _ended(self, run: Run) -> Event:
        is_broken = run.outcome in BROKEN
        return Event(
            symbol="✖" if is_broken else display.SYMBOLS.get(_state(run.outcome), "·"),
            text=_text(run),
            at=display.time_of(run.started_at or run.finished_at),
            is_broken=is_broken,
            facts=_facts(run.worker, run.fence, run.started_at, run.finished_at),
            error=error_of(run, is_open=self._is_open),
            traceback=display.cut(run.traceback) if self._is_open else "",
            lines=self._until(run.finished_at),
        )

    def _current(self) -> Event:
        job = self._job
        text = _("runs now, attempt %(attempt)s")
        return Event(
            symbol=display.SYMBOLS[State.RUNNING],
            text=text % {"attempt": phrases.count(job.attempt)},
            at=display.time_of(job.attempted_at),
            facts=_facts(job.worker, job.fence, job.attempted_at, display.now_ms()),
            lines=self._until(None),
        )

    def _rest(self) -> Iterator[Event]:
        """Tell of lines that were written after the runs that are still recorded."""
        if self._lines:
            yield Event(symbol="·", text=_("log"), at="", lines=self._until(None))

    def _until(self, at: int | None) -> list[dict[str, Any]]:
        """Take the lines up to a time."""
        told = [line for line in self._lines if at is None or line[0] <= at]
        self._lines = self._lines[len(told) :]
        return list(map(_line, told))


def error_of(run: Run, *, is_open: bool) -> str:
    """Return the class of a run's exception and, if that is allowed, what the exception says."""
    if not is_open:
        return one_line(run.exception)
    return one_line(run.message or run.exception)


def _state(outcome: str) -> State:
    return State(outcome) if outcome in set(State) else State.QUEUED


def _text(run: Run) -> str:
    said = str(phrases.OUTCOMES.get(run.outcome, one_line(run.outcome)))
    if not run.counts:
        return said
    values = {"attempt": phrases.count(run.attempt), "outcome": said}
    return _("attempt %(attempt)s: %(outcome)s") % values


def _facts(worker: str, fence: str, started: int, ended: int) -> list[tuple[str, SafeString | str]]:
    facts: list[tuple[str, SafeString | str]] = []
    if started:
        facts.append((_("run time"), display.duration(max(0, ended - started))))
    if worker and worker != "-":
        facts.append((_("worker"), one_line(worker)))
    if fence and fence != "-":
        facts.append((_("fence"), format_html("<code>{}</code>", one_line(fence))))
    return facts


def _line(line: StoredLine) -> dict[str, Any]:
    at, said = line
    return {"at": display.exact_time(at), "text": one_line(said)}
