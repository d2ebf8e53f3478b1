"""One run of a job: its record, what a slot gets to run it, what the run comes to."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job, as its worker or the one that recovered it wrote it."""

    attempt: int  # 1-based; the number this run had or would have counted as
    fence: str
    worker: str
    started_at: int  # ms since the epoch
    finished_at: int  # ms since the epoch
    outcome: str  # succeeded, failed, retried, cancelled, released, recovered, requeued
    exception: str = ""  # dotted path of the exception's class
    traceback: str = ""

    @property
    def counts(self) -> bool:
        """Tell whether this run used up an attempt."""
        return self.outcome in {"succeeded", "failed", "retried", "cancelled"}

    @classmethod
    def parse(cls, record: str) -> "Run":
        """Read `attempt fence worker started finished outcome exception`, newline, traceback."""
        head, _, traceback = record.partition("\n")
        attempt, fence, worker, started, finished, outcome, exception = head.split(" ")[:7]
        return cls(
            attempt=int(attempt),
            fence=fence,
            worker=worker,
            started_at=int(started),
            finished_at=int(finished),
            outcome=outcome,
            exception="" if exception == "-" else exception,
            traceback=traceback,
        )


class Claimed(NamedTuple):
    """A job that a slot now holds, with what is needed to run it. Times in ms."""

    id: str
    queue: str
    fence: str
    now: int  # by the server
    payload: bytes | None  # None: lost
    task: str
    attempts: int  # that counted before this run
    recoveries: int
    max_attempts: int
    priority: int
    enqueued_at: int
    started_at: int  # of the first run
    held_since: int | None  # when it was first given back for a reason, such as an unknown task
    runs: tuple[Run, ...] = ()  # the earlier ones, oldest first
    schedule: str = ""  # name of the one that stored it
    nominal_at: int | None = None  # the schedule's time for which it was stored

    @property
    def attempt(self) -> int:
        return self.attempts + 1


class Settlement(NamedTuple):
    """What a run came to, as the store gets it."""

    outcome: str  # succeeded, failed, cancelled, retried or released
    result: bytes = b""  # JSON; empty: null
    reason: str = ""
    exception: str = "-"  # dotted path of its class
    traceback: str = ""
    delay_ms: int = 0
    latest: str = ""  # digest and seconds, if the result is kept as its task's latest value

    @property
    def error(self) -> str:
        """Return the end of the run's record: the exception's class, then the traceback."""
        return f"{self.exception}\n{self.traceback}" if self.traceback else self.exception


def since_requeue(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the runs since the job was last requeued by hand."""
    for index in range(len(runs) - 1, -1, -1):
        if runs[index].outcome == "requeued":
            return tuple(runs[index + 1 :])
    return tuple(runs)


def read_runs(records: Iterable[bytes]) -> tuple[Run, ...]:
    """Read stored records of runs, leaving out those that can't be read."""
    runs = []
    for record in records:
        with suppress(ValueError):
            runs.append(Run.parse(record.decode(errors="replace")))
    return tuple(runs)
