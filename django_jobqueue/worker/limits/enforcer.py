"""The limits of runs, enforced by the supervisor: interrupt first, kill after a grace.

A run must end when its time is over or its job is cancelled; with `stop_on_lease_loss` also when
its lease may be lost. A lease never ends earlier than its length after the last call that set it
was sent, so the supervisor needs only its own clock.
Next: worker/limits/interrupt.py; worker/limits/kill.py.
"""

import math
import time
from collections.abc import Sequence
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from django_jobqueue.engine.claims import Lease
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, Reason
from django_jobqueue.worker.limits.shared_state import (
    NEVER,
    InterruptReason,
    Limits,
    SharedState,
    run_id,
)

AT_ONCE = 0.0  # monotonic
LEASE_SAFETY = 2 / 3  # of the lease; the rest allows for a call to Redis that hangs


class KillReason(StrEnum):
    """The reason of a kill; a job that is recovered too often fails with this reason."""

    TIMED_OUT = Reason.TIMED_OUT.value
    CANCELLED = Reason.CANCELLED.value
    LEASE_LOST = Reason.LEASE_LOST.value


class Kill(NamedTuple):
    """The kill of a run, its reason and its result."""

    run: int
    reason: KillReason
    result: RunResult | None  # None: the job is recovered, as after a crash


class Enforcer:
    """Decide when to interrupt and when to kill the run of each slot."""

    def __init__(self, shared: SharedState, lease: float, *, may_kill: bool) -> None:
        """Take `lease` in seconds; with `may_kill`, each process has one slot, hence one run."""
        self._shared = shared
        self._lease = lease * LEASE_SAFETY
        self._may_kill = may_kill
        # Slot → the run that was renewed last, and the time when that call was sent.
        self._renewed: dict[str, tuple[int, float]] = {}
        self._lost: dict[str, int] = {}  # slot → the run that lost its lease
        self._cancelled: dict[str, int] = {}  # slot → the run to cancel
        self._asked: dict[str, tuple[int, float]] = {}  # slot → run asked to end, time

    def runs(self) -> dict[str, int]:
        """Return the run id of each slot; 0: none."""
        return self._shared.runs()

    def note_renewal(self, held: Sequence[Lease], sent_at: float) -> None:
        """Store the reply to a renewal, which was sent at `sent_at` (monotonic)."""
        for one in held:
            if one.lost:
                self._lost[one.slot] = run_id(one.fence)
                continue
            self._renewed[one.slot] = run_id(one.fence), sent_at
            if one.cancelled:
                self._cancelled[one.slot] = run_id(one.fence)

    def due(self, slot: str) -> float:
        """Return the monotonic time of the next interrupt or kill in a slot; infinity: none."""
        state = self._shared.slot(slot)
        run = state.run
        if not run:
            return math.inf
        limits = state.limits
        moments = [at for at, _ in self._kills(slot, run, limits)] if self._may_kill else []
        if not self._was_asked(slot, run):
            is_cancelled = self._cancelled.get(slot) == run
            moments.append(AT_ONCE if is_cancelled else limits.interrupt_at or math.inf)
        return min(moments, default=math.inf)

    def ask_if_due(self, slot: str) -> bool:
        """Ask a slot's run to end if that is due; return whether to signal its process."""
        state = self._shared.slot(slot)
        run, now = state.run, time.monotonic()
        if not run or self._was_asked(slot, run):
            return False
        if self._cancelled.get(slot) == run:
            state.ask_to_end(InterruptReason.CANCELLED, run)
        elif NEVER < state.interrupt_at <= now:
            state.ask_to_end(InterruptReason.TIMED_OUT, run)
        else:
            return False
        self._asked[slot] = run, now
        return True

    def kill_due(self, slot: str) -> Kill | None:
        """Return the kill of a slot's run if it is due now."""
        state = self._shared.slot(slot)
        run, limits, now = state.run, state.limits, time.monotonic()
        if not run or not self._may_kill:
            return None
        kills = self._kills(slot, run, limits)
        at, kill = min(kills, key=itemgetter(0), default=(math.inf, None))
        return kill if at <= now else None

    def _was_asked(self, slot: str, run: int) -> bool:
        return self._asked.get(slot, (0, NEVER))[0] == run

    def _kills(self, slot: str, run: int, limits: Limits) -> list[tuple[float, Kill]]:
        """Return the possible kills of a run, each with its monotonic time."""
        found = []
        if limits.kill_at:
            kill = Kill(run, KillReason.TIMED_OUT, _timed_out(limits))
            # A supervisor that was frozen asks late.
            asked_at = self._asked[slot][1] if self._was_asked(slot, run) else NEVER
            found.append((max(limits.kill_at, asked_at + limits.grace), kill))
        if self._cancelled.get(slot) == run and self._was_asked(slot, run):
            result = RunResult(Outcome.CANCELLED, reason=Reason.CANCELLED)
            kill = Kill(run, KillReason.CANCELLED, result)
            found.append((self._asked[slot][1] + limits.grace, kill))
        if limits.guarded_since:
            # After a server has lost writes, it may renew a run that is not the slot's.
            renewed, sent_at = self._renewed.get(slot, (0, NEVER))
            sent_at = sent_at if renewed == run else NEVER
            trusted = max(limits.guarded_since, sent_at) + self._lease
            kill = Kill(run, KillReason.LEASE_LOST, None)
            found.append((AT_ONCE if self._lost.get(slot) == run else trusted, kill))
        return found


def _timed_out(limits: Limits) -> RunResult:
    again = limits.retry_delay >= 0
    return RunResult(
        Outcome.RETRIED if again else Outcome.FAILED,
        reason="" if again else Reason.TIMED_OUT,
        exception="django_jobqueue.exceptions.JobTimeout",
        traceback="JobTimeout: it did not end when it was asked to; its process was killed.\n",
        delay_ms=int(limits.retry_delay * 1000) if again else 0,
    )
