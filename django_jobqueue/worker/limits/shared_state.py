"""The state of a worker's slots, in memory that they share with the supervisor.

There are no locks, because each field has one writer at a time. Times are those of
`time.monotonic`, which is the same for all processes of a machine; NEVER means "not set".
Next: worker/limits/enforcer.py.
"""

import ctypes
import math
import threading
import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

NEVER = 0.0


class InterruptReason(IntEnum):
    """The reason for which a supervisor asks a run to end."""

    TIMED_OUT = 1
    CANCELLED = 2


class Limits(NamedTuple):
    """The limits that a run must keep."""

    guarded_since: float = NEVER  # if it must end with its lease: when the claim was sent
    interrupt_at: float = NEVER
    kill_at: float = NEVER
    grace: float = 0.0  # seconds from a cancellation to the kill
    retry_delay: float = -1.0  # seconds until the next attempt after a time-out kill; -1: none


class SlotState(ctypes.Structure):
    """The state of one slot."""

    _fields_ = (
        ("last_reply_at", ctypes.c_double),  # from Redis, to the slot; infinity: none is expected
        ("run", ctypes.c_uint64),  # id of the run under way; 0: none
        *((name, ctypes.c_double) for name in Limits._fields),
        ("must_exit_by", ctypes.c_double),  # when the process must be ready (again), or gone
        ("is_refused", ctypes.c_bool),  # Redis answers only once a setting is changed
        ("drained", ctypes.c_bool),  # it ended because nothing was left to do
        ("interrupt_reason", ctypes.c_int),  # why `interrupt_run` is asked to end
        ("interrupt_run", ctypes.c_uint64),
        ("thread", ctypes.c_uint64),  # in which the slot runs; 0: it has not begun, or has ended
        ("jobs", ctypes.c_uint64),  # that the slot has run, in all its processes
    )

    # Called by the supervisor

    def reset(self, must_be_ready_by: float) -> None:
        """Reset the state for a new process."""
        self.drained = False
        self.mark_leaving(must_be_ready_by)
        self.note_reply()

    def mark_idle(self) -> None:
        """Mark that the slot has ended, so that nothing is expected of it."""
        self.mark_leaving(NEVER)

    def ask_to_end(self, reason: InterruptReason, run: int) -> None:
        """Ask a run to end; the slot reads this when it gets the signal."""
        self.interrupt_run = run
        self.interrupt_reason = reason

    @property
    def limits(self) -> Limits:
        return Limits(*(getattr(self, name) for name in Limits._fields))

    # Called by the slot

    def mark_thread(self) -> None:
        """Store that the slot runs in this thread."""
        self.thread = threading.get_ident()

    def mark_ready(self) -> None:
        """Mark that the process has started."""
        self.must_exit_by = NEVER

    def note_reply(self) -> None:
        """Store that Redis has answered now, or that the slot begins to expect a reply."""
        self.last_reply_at = time.monotonic()

    def mark_busy(self) -> None:
        """Mark that a job runs, with its middleware: meanwhile no reply from Redis is expected."""
        self.last_reply_at = math.inf

    def set_limits(self, limits: Limits) -> None:
        """Store the limits of the next run; call it before `begin_run`."""
        self.guarded_since, self.interrupt_at, self.kill_at, self.grace, self.retry_delay = limits

    def begin_run(self, run: int) -> None:
        """Store the run whose function is called now."""
        self.run = run

    def end_run(self) -> None:
        """Mark that the task's function has ended."""
        self.run = 0

    def mark_drained(self) -> None:
        """Mark that the slot ends because no job is left."""
        self.drained = True

    def mark_leaving(self, must_exit_by: float) -> None:
        """Mark that no run is under way, and set the time limit of the process."""
        self.run = 0
        self.thread = 0
        self.last_reply_at = math.inf
        self.is_refused = False
        self.must_exit_by = must_exit_by


class SharedState:
    """The states of all slots of a worker."""

    def __init__(self, context: Any, slots: Sequence[str]) -> None:
        """Allocate the memory through a context of multiprocessing."""
        self._states = context.RawArray(SlotState, len(slots))
        self._numbers = {slot: number for number, slot in enumerate(slots)}

    def slot(self, name: str) -> SlotState:
        found: SlotState = self._states[self._numbers[name]]
        return found

    @property
    def jobs(self) -> int:
        """Return how many jobs all slots have run."""
        return sum(state.jobs for state in self._states)

    def runs(self) -> dict[str, int]:
        """Return the run id of each slot; 0: none."""
        return {name: self.slot(name).run for name in self._numbers}


def run_id(fence: str) -> int:
    """Return the id of a run: the 48 random bits of its fence; 0 for a fence that is damaged."""
    try:
        return int(fence.rpartition("-")[2], 16)
    except ValueError:
        return 0
