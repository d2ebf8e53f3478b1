"""What a job is: its id, its states, a snapshot of its record. Knows no Redis.

Next: engine/jobs.py stores it.
"""

import os
import re
import time
from dataclasses import dataclass, field
from enum import StrEnum

from django_jobqueue.lines import StoredLine
from django_jobqueue.run import Run, since_requeue

MAX_ATTEMPTS = 1  # protocol default: a record without the field means this
MAX_RECOVERIES = 2  # protocol default, runs lost with their worker before a job fails

ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{10}00")
QUEUE_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class State(StrEnum):
    """Where a job stands; its id is in exactly the one index of its state."""

    SCHEDULED = "scheduled"  # waits for a time: its first run or a retry
    QUEUED = "queued"  # may be claimed
    WAITING = "waiting"  # waits for a parent, a concurrency key or a rate
    RUNNING = "running"  # a slot holds its lease
    SUCCEEDED = "succeeded"  # final
    FAILED = "failed"  # final
    CANCELLED = "cancelled"  # final

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

# Which script moves a job from where to where. None: the job is not stored.
TRANSITIONS: dict[str, tuple[tuple[State | None, State | None], ...]] = {
    "enqueue": ((None, State.QUEUED), (None, State.SCHEDULED)),
    "claim": (
        (State.QUEUED, State.RUNNING),
        (State.SCHEDULED, State.QUEUED),
        (State.QUEUED, State.FAILED),
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
    ),
    "finish": (
        (State.RUNNING, State.SUCCEEDED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
        (State.RUNNING, State.SCHEDULED),
        (State.RUNNING, State.QUEUED),
    ),
    "release_slot": (
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
    ),
    "reap": (
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
    ),
    "promote": ((State.SCHEDULED, State.QUEUED),),
    "cancel": (
        (State.SCHEDULED, State.CANCELLED),
        (State.QUEUED, State.CANCELLED),
        (State.WAITING, State.CANCELLED),
    ),
    "requeue": (
        (State.SUCCEEDED, State.QUEUED),
        (State.FAILED, State.QUEUED),
        (State.CANCELLED, State.QUEUED),
        (State.SCHEDULED, State.QUEUED),
    ),
    "delete": tuple((state, None) for state in State if state is not State.RUNNING),
    "trim": tuple((state, None) for state in sorted(FINAL)),
}


def new_id() -> str:
    """Return a UUIDv7 whose last byte is 0, reserved for a partition number."""
    now = f"{time.time_ns() // 1_000_000:012x}"
    noise = os.urandom(9).hex()
    variant = "89ab"[int(noise[3], 16) & 3]
    return f"{now[:8]}-{now[8:]}-7{noise[:3]}-{variant}{noise[4:7]}-{noise[7:17]}00"


def is_id(value: object) -> bool:
    return isinstance(value, str) and ID_PATTERN.fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A snapshot of one stored job. Times are ms since the epoch."""

    id: str
    state: State
    queue: str
    task: str  # dotted path
    priority: int = 0
    enqueued_at: int
    due_at: int | None = None  # while scheduled
    started_at: int | None = None  # of the first run
    attempted_at: int | None = None  # of the latest run
    finished_at: int | None = None
    attempts: int = 0  # runs that counted
    recoveries: int = 0  # runs lost with their worker
    max_attempts: int = MAX_ATTEMPTS
    max_recoveries: int = MAX_RECOVERIES
    worker: str = ""
    fence: str = ""
    reason: str = ""  # why it failed or was cancelled, a short code
    cancelling: bool = False  # it runs, and is to end
    progress: tuple[int, int, str] | None = None  # current, total, text
    payload: bytes | None = field(default=None, repr=False)  # signed; None: not loaded or lost
    result: bytes | None = field(default=None, repr=False)  # JSON; None: returned None
    runs: tuple[Run, ...] = field(default=(), repr=False)  # oldest first; only when loaded
    log: tuple[StoredLine, ...] = field(default=(), repr=False)  # oldest first; only when loaded

    @property
    def current_runs(self) -> tuple[Run, ...]:
        """Return the runs since the job was last requeued by hand."""
        return since_requeue(self.runs)
