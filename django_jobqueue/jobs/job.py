"""What a job is: its id, its states, a snapshot of its record. Knows no Redis.

Next: engine/jobs.py stores it.
"""

import os
import re
import time
from dataclasses import dataclass, field
from enum import StrEnum

from django_jobqueue.jobs.attempt import Run, since_requeue
from django_jobqueue.jobs.text import StoredLine

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
    "refresh": ((None, State.QUEUED), (None, State.SCHEDULED)),
    "fire": ((None, State.QUEUED), (None, State.SCHEDULED)),
    "run_now": ((None, State.QUEUED), (None, State.SCHEDULED)),
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


_latest_id = 0  # the time in it, in 4096ths of a ms


def new_id() -> str:
    """Return a UUIDv7 whose last byte is 0, reserved for a partition number.

    The ids of a process ascend: jobs that are due at the same ms become claimable by their ids.
    """
    global _latest_id
    _latest_id = now = max(time.time_ns() * 4096 // 1_000_000, _latest_id + 1)
    at, noise = f"{now:015x}", os.urandom(7).hex()
    variant = "89ab"[int(noise[0], 16) & 3]
    return f"{at[:8]}-{at[8:12]}-7{at[12:]}-{variant}{noise[1:4]}-{noise[4:]}00"


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
    schedule: str = ""  # name of the one that stored it
    nominal_at: int | None = None  # the schedule's time for which it was stored
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
