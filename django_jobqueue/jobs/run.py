"""One run of a job: its stored record, and the result that a worker gives to the engine."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from django_jobqueue.jobs.states import ATTEMPTS, Outcome
from django_jobqueue.jobs.text import ms, number, text

STALE = "stale"  # another run holds the row of the durable job


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The record of one run. Times are ms since the epoch."""

    attempt: int  # 1-based; the attempt number of this run, even if it doesn't count
    fence: str
    worker: str
    started_at: int
    finished_at: int
    outcome: str  # an Outcome
    exception: str = ""  # dotted path of the exception's class
    traceback: str = ""

    @property
    def counts(self) -> bool:
        """Return whether this run used up an attempt."""
        return self.outcome in ATTEMPTS

    @property
    def message(self) -> str:
        """Return the exception's class and what it says, by the traceback; empty if it doesn't."""
        name, lines = self.exception.removeprefix("builtins."), self.traceback.splitlines()
        for place in range(len(lines) - 1, -1, -1):
            if name and (lines[place] == name or lines[place].startswith(f"{name}: ")):
                return "\n".join(lines[place:])
        return ""

    @classmethod
    def parse(cls, record: str) -> "Run":
        """Parse `attempt fence worker started finished outcome exception`, newline, traceback."""
        head, _, traceback = record.partition("\n")
        attempt, fence, worker, started, finished, outcome, exception = head.split(" ")[:7]
        return cls(
            attempt=number(attempt),
            fence=fence,
            worker=worker,
            started_at=ms(started),
            finished_at=ms(finished),
            outcome=outcome,
            exception="" if exception == "-" else exception,
            traceback=traceback,
        )


class RunResult(NamedTuple):
    """The end of a run, in the form that the engine stores."""

    outcome: Outcome  # succeeded, failed, cancelled, retried or released
    value: bytes = b""  # the return value as JSON; empty: null
    reason: str = ""
    exception: str = ""  # dotted path of its class
    traceback: str = ""
    delay_ms: int = 0  # until the job may run again (retried, released)
    cache: str = ""  # digest and seconds to keep it, if the value is cached
    keep_ms: int = 0  # that a succeeded job is kept; 0: as the alias's retention says
    signed: bytes = b""  # of a member of a workflow: version and signature of `value`
    settled: str = ""  # state that the row of a durable job has got, or STALE

    @property
    def error(self) -> str:
        """Return the last part of the run's record: the exception's class, then the traceback."""
        path = self.exception or "-"
        return f"{path}\n{self.traceback}" if self.traceback else path


def since_requeue(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the runs since the job was last requeued by hand."""
    for index in range(len(runs) - 1, -1, -1):
        if runs[index].outcome == Outcome.REQUEUED:
            return tuple(runs[index + 1 :])
    return tuple(runs)


def read_runs(records: Iterable[bytes]) -> tuple[Run, ...]:
    """Return the runs of stored records, omitting records that can't be read."""
    runs = []
    for record in records:
        with suppress(ValueError):
            runs.append(Run.parse(text(record)))
    return tuple(runs)
