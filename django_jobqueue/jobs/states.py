"""The states of a job with their transitions, the outcomes of a run, and the reasons."""

from enum import StrEnum


class State(StrEnum):
    """The state of a job, whose id is in exactly one index, that of its state."""

    SCHEDULED = "scheduled"  # waits for a time: its first run or a retry
    QUEUED = "queued"  # may be claimed
    WAITING = "waiting"  # waits for a parent, a concurrency key or a rate
    RUNNING = "running"  # a slot holds its lease
    SUCCEEDED = "succeeded"  # final
    FAILED = "failed"  # final
    CANCELLED = "cancelled"  # final

    __hash__ = str.__hash__  # in C; Enum's own is a function in Python

    @property
    def is_final(self) -> bool:
        return self in FINAL


# Of a row of the ledger, beside the final states.
OPEN = "open"
DUPLICATE = "duplicate"  # another job stands for it; the job itself counts as cancelled

FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
STATE_OF = {state.value.encode(): state for state in State}  # by what Redis holds

_ADMITTED = (State.WAITING, State.QUEUED)  # a place on a key is free
# Of a script that stores a job, which may cancel older ones of its key.
_STORED = (
    (None, State.QUEUED),
    (None, State.SCHEDULED),
    (None, State.WAITING),
    (State.SCHEDULED, State.CANCELLED),
    (State.QUEUED, State.CANCELLED),
    (State.WAITING, State.CANCELLED),
    _ADMITTED,
)

# Of a script that follows what is noted of workflows.
_FOLLOWED = (
    (State.WAITING, State.QUEUED),
    (State.SCHEDULED, State.CANCELLED),
    (State.QUEUED, State.CANCELLED),
    (State.WAITING, State.CANCELLED),
    (State.CANCELLED, State.WAITING),
)

# The moves from state to state that each script makes. None: the job is not stored.
TRANSITIONS: dict[str, tuple[tuple[State | None, State | None], ...]] = {
    "enqueue": _STORED,
    "refresh_cached": _STORED,
    "fire": _STORED,
    "run_now": _STORED,
    "claim": (
        (State.QUEUED, State.RUNNING),
        (State.SCHEDULED, State.QUEUED),
        (State.QUEUED, State.FAILED),
        (State.QUEUED, State.CANCELLED),
        (State.QUEUED, State.WAITING),
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
        _ADMITTED,
    ),
    "finish": (
        (State.RUNNING, State.SUCCEEDED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
        (State.RUNNING, State.SCHEDULED),
        (State.RUNNING, State.QUEUED),
        *_FOLLOWED,
    ),
    "release_slot": (
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
        _ADMITTED,
    ),
    "reap": (
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
        _ADMITTED,
    ),
    "promote": ((State.SCHEDULED, State.QUEUED), _ADMITTED),
    "cancel": (
        (State.SCHEDULED, State.CANCELLED),
        (State.QUEUED, State.CANCELLED),
        (State.WAITING, State.CANCELLED),
        _ADMITTED,
    ),
    "cancel_tagged": (
        (State.SCHEDULED, State.CANCELLED),
        (State.QUEUED, State.CANCELLED),
        (State.WAITING, State.CANCELLED),
        _ADMITTED,
    ),
    "requeue": (
        (State.SUCCEEDED, State.QUEUED),
        (State.FAILED, State.QUEUED),
        (State.CANCELLED, State.QUEUED),
        (State.SCHEDULED, State.QUEUED),
        *_FOLLOWED,
    ),
    "admit": (_ADMITTED,),
    "stage": ((None, State.WAITING),),
    "add_members": ((None, State.WAITING), (State.WAITING, State.QUEUED)),
    "seal": _FOLLOWED,
    "advance": _FOLLOWED,
    "cancel_workflow": _FOLLOWED,
    "settle": (
        *(
            (before, after)
            for before in State
            for after in sorted(FINAL)
            if before is not State.RUNNING and before is not after
        ),
        _ADMITTED,
    ),
    "delete": (*((state, None) for state in State if state is not State.RUNNING), _ADMITTED),
    "trim": tuple((state, None) for state in sorted(FINAL)),
}


class Outcome(StrEnum):
    """The outcome of one run of a job."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"  # it failed, and another attempt follows
    CANCELLED = "cancelled"
    RELEASED = "released"  # returned to its queue without a result
    RECOVERED = "recovered"  # lost with its worker
    REQUEUED = "requeued"  # not a run: the job was requeued at this point


ATTEMPTS = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.RETRIED, Outcome.CANCELLED})


# The state of a job after a run with this outcome.
STATE_AFTER = {
    Outcome.SUCCEEDED: State.SUCCEEDED,
    Outcome.FAILED: State.FAILED,
    Outcome.RETRIED: State.SCHEDULED,
    Outcome.CANCELLED: State.CANCELLED,
    Outcome.RELEASED: State.QUEUED,
}


class Reason(StrEnum):
    """The reason why a job failed, was cancelled or was released.

    In killed_<n> and exited_<n>, n is a number. A caller of `cancel` may give other reasons.
    """

    states: str
    cause: str

    def __new__(cls, value: str, states: str, cause: str) -> "Reason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.states, member.cause = states, cause
        return member

    EXCEPTION = "exception", "failed", "the task raised, and no attempt was left"
    TIMED_OUT = "timed_out", "failed", "it used up its time, and no attempt was left"
    LOST = "lost", "failed", "its worker was lost too often: see `MAX_RECOVERIES`"
    LEASE_LOST = (
        "lease_lost",
        "failed",
        "the same; the task may not run without a lease (`stop_on_lease_loss`)",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        "failed",
        "the same; the kernel killed the process of the last run for lack of memory",
    )
    KILLED = "killed_<n>", "failed", "the same; the process of the last run was ended by signal n"
    EXITED = "exited_<n>", "failed", "the same; the process ended itself with code n"
    BAD_SIGNATURE = (
        "bad_signature",
        "failed",
        "not signed with a key of this project; it was not run",
    )
    DAMAGED = "damaged", "failed", "its record or its arguments can't be read; it was not run"
    TASK_UNKNOWN = (
        "task_unknown",
        "scheduled, failed",
        "this code has no such task: held for `UNKNOWN_TASK_GRACE`, then failed",
    )
    LEDGER_AWAY = (
        "ledger_away",
        "scheduled",
        "the row of the durable job could not be read or written: it is tried again",
    )
    OVERTAKEN = (
        "overtaken",
        "scheduled",
        "another run of the durable job holds its row: this one was rolled back",
    )
    DELETED = "deleted", "cancelled", "only in the ledger: somebody deleted the job before its end"
    PARENT = (
        "parent:<id>",
        "cancelled",
        "the job with that id did not succeed, and its workflow stops then; it was not run",
    )
    NOT_CALLED = (
        "not_called",
        "cancelled",
        "it is a callback, and its workflow ended in another way; it was not run",
    )
    UNSEALED = (
        "unsealed",
        "cancelled",
        "the caller that stored its workflow never completed that; it was not run",
    )
    EXPIRED = "expired", "cancelled", "it was not started by the time in `expires`; it was not run"
    LIMIT = (
        "limit",
        "cancelled",
        'as many jobs of its key ran as may, and the limit says `when="skip"`; it was not run',
    )
    SUPERSEDED = (
        "superseded",
        "cancelled",
        'a newer job of its key was stored, and the limit says `when="cancel_older"`',
    )
    BY_TASK = "by_task", "cancelled", "the task raised `Cancel`"
    CANCELLED = (
        "cancelled",
        "cancelled",
        "somebody cancelled it, before it started or while it ran",
    )

    def numbered(self, number: int) -> str:
        """Return KILLED or EXITED with its number."""
        return self.value.replace("<n>", str(number))
