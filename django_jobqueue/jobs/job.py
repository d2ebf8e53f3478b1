"""The job: its id, and the one class that represents it from the enqueue to the admin page.

Next: engine/jobs.py stores it.
"""

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from django_jobqueue.jobs import payload
from django_jobqueue.jobs.duplicate import Duplicate
from django_jobqueue.jobs.record_fields import RECORD_FIELDS, expiry_ms
from django_jobqueue.jobs.run import Run, since_requeue
from django_jobqueue.jobs.signing import Signer
from django_jobqueue.jobs.states import Outcome, Reason, State
from django_jobqueue.jobs.text import StoredLine

# Protocol defaults: a record without the field has these values.
DEFAULT_MAX_ATTEMPTS = 1
DEFAULT_MAX_RECOVERIES = 2  # runs that may be lost with their worker; one more fails the job

ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{10}00")
QUEUE_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,64}")

VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # two bits are fixed
_latest_id = 0  # the time in the latest id: ms, and 12 bits below them


def new_id() -> str:
    """Return a UUIDv7 whose last byte is 0, reserved for a partition number.

    The ids of a process ascend, because jobs due in the same ms become claimable in id order.
    """
    global _latest_id
    _latest_id = now = max(time.time_ns() * 4096 // 1_000_000, _latest_id + 1)
    at, noise = f"{now:015x}", os.urandom(7).hex()
    return f"{at[:8]}-{at[8:12]}-7{at[12:]}-{VARIANT[noise[0]]}{noise[1:4]}-{noise[4:]}00"


def is_id(value: object) -> bool:
    return isinstance(value, str) and ID_PATTERN.fullmatch(value) is not None


@dataclass(slots=True)
class Job:
    """One call of a task, as it was when it was made or read. Times are ms since the epoch.

    Who makes a job sets its fields, best by assignment: a call with all of them costs three times
    as much. `seal` makes the payload from the arguments and metadata, and `open` reads them back.
    After that nothing but `enqueued_at` changes (docs/decisions/0011 tells why the class is not
    frozen).
    """

    id: str
    task: str  # dotted path
    queue: str = ""
    state: State = State.QUEUED
    priority: int = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    max_recoveries: int = DEFAULT_MAX_RECOVERIES
    schedule: str = ""  # name of the schedule that enqueued it
    nominal_at: int | None = None  # the schedule's time for which it was enqueued
    delay: timedelta | None = None  # of a new job: time from its storing until it is due
    due_at: int | None = None  # while scheduled
    expires: str = ""  # if not started by then, it ends: ms, or "+" and ms from `enqueued_at`
    enqueued_at: int = 0  # 0: not stored yet
    started_at: int | None = None  # of the first run
    attempted_at: int = 0  # of the latest run; 0: there was none
    finished_at: int | None = None
    took: int = 0  # ms, of a run whose end its record tells by this: see _count_first_run
    held_since: int | None = None  # when it began to wait for its unknown task
    attempts: int = 0  # runs that counted as attempts
    recoveries: int = 0  # runs lost with their worker
    tags: tuple[str, ...] = ()
    unique: str = ""  # digest of its key, and until when it holds the lock; see flow/unique.py
    duplicate: Duplicate | None = field(default=None, compare=False)  # the job that stands for it
    limits: tuple[str, ...] = ()  # of its keys: see flow/limits.py
    fair: str = ""  # the key whose jobs take turns with those of others
    flow: str = ""  # of a member of a workflow: its id, number and next step
    step: int = 0  # of such a member: its members run once all that feed it have ended
    member: Any = None  # while such a job runs: see flow/membership.py
    parked: str = ""  # the key for which it waits, or was admitted last
    round: int = 0  # of a durable job: 1, and one more for each requeue; 0: it is not durable
    worker: str = ""
    fence: str = ""
    claim_sent_at: float = 0.0  # when its claim was sent, by this process's monotonic clock
    reason: str = ""  # why it failed, was cancelled or released: a Reason or another code
    cancel: str = ""  # why its cancellation was requested; empty: it was not
    progress: tuple[int, int, str] | None = None  # current, total, text
    payload: bytes | None = field(default=None, repr=False)  # signed; None: not loaded, or lost
    result: bytes | None = field(default=None, repr=False)  # JSON; None: the task returned None
    runs: tuple[Run, ...] = field(default=(), repr=False)  # oldest first; only when loaded
    log: tuple[StoredLine, ...] = field(default=(), repr=False)  # oldest first; only when loaded
    # In a stored job, these are empty until `open` has read them from the payload.
    args: list[Any] = field(default_factory=list, repr=False)
    kwargs: dict[str, Any] = field(default_factory=dict, repr=False)
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def attempt(self) -> int:
        """Return the number of the current attempt, or of the next one."""
        return self.attempts + 1

    @property
    def expires_at(self) -> int | None:
        """Return by when the job is to be started; None: at any time, or it is not stored yet."""
        return expiry_ms(self.expires, self.enqueued_at)

    @property
    def cancelling(self) -> bool:
        """Return whether the job is running and its cancellation was requested."""
        return self.state is State.RUNNING and bool(self.cancel)

    @property
    def current_runs(self) -> tuple[Run, ...]:
        """Return the runs since the job was last requeued by hand."""
        return since_requeue(self.runs)

    @classmethod
    def read(cls, job_id: str, fields: Iterable[tuple[bytes, bytes]], **parts: Any) -> "Job":
        """Return the job of a record; `parts` are attributes that come from elsewhere.

        A value that can't be parsed is left out; a job without a state counts as damaged.
        """
        job, no_state = cls(job_id, ""), cast(State, None)
        job.state = no_state
        for name, value in fields:
            known = RECORD_FIELDS.get(name)
            if known and known[0] not in parts:
                attribute, parse = known
                try:
                    setattr(job, attribute, parse(value))
                except (KeyError, ValueError):
                    continue
        # The record has a field for the first start only if there was a second.
        job.started_at = job.started_at or job.attempted_at or None
        for attribute, part in parts.items():
            setattr(job, attribute, part)
        if job.state is no_state:
            job.state, job.reason = State.FAILED, Reason.DAMAGED
        elif job.state is State.SUCCEEDED and not job.attempts:
            job._count_first_run()
        return job

    def _count_first_run(self) -> None:
        """Add the run of a job that succeeded at once: only the job's own fields tell of it."""
        self.attempts = 1
        self.finished_at = self.finished_at or self.attempted_at + self.took or None
        run = Run(
            attempt=1,
            fence=self.fence,
            worker=self.worker,
            started_at=self.attempted_at,
            finished_at=self.finished_at or 0,
            outcome=Outcome.SUCCEEDED,
        )
        self.runs = (*self.runs, run)

    def seal(self, signer: Signer, cap: int) -> None:
        """Make the signed payload of the arguments and the metadata.

        Raises: PayloadTooLarge above `cap` bytes.
        """
        if self.metadata != {}:
            self.metadata = payload.pure_metadata(self.metadata)  # middleware may have added any
        data = payload.dump_call(self.args, self.kwargs, self.metadata, cap)
        self.payload = signer.sign(self.id, self.task, data)

    def open(self, signer: Signer) -> None:
        """Verify the payload's signature, and read the arguments and the metadata from it.

        Raises: BadSignature; ValueError if the payload is missing or can't be read.
        """
        if self.payload is None:
            raise ValueError("its arguments are gone from Redis")
        data = signer.verify(self.id, self.task, self.payload)
        self.args, self.kwargs, self.metadata = payload.load_call(data)
