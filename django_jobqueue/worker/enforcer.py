"""The limits of runs, as the supervisor enforces them: interrupt first, kill after a grace.

A run ends when its time is over or its job was cancelled; and one that may not outlive its lease
(`stop_on_lease_loss`) when that may be lost. The server's deadline is never earlier than the moment
when the last call that set it was sent, plus the lease: so no clock of another machine is needed.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from django_jobqueue.engine.claims import Held
from django_jobqueue.jobs.attempt import Settlement
from django_jobqueue.worker.board import CANCEL, NEVER, TIME_OUT, Board, Limits, number_of

TRUST = 2 / 3  # of the lease; the rest is for a call to Redis that hangs meanwhile


class Verdict(NamedTuple):
    """Why a run was killed."""

    run: float
    reason: str
    settlement: Settlement | None  # None: it is recovered, as if its process had died


class Enforcer:
    """Know what each run may not exceed, and act when it does."""

    def __init__(self, board: Board, lease: float, *, may_kill: bool) -> None:
        """`lease` in seconds; `may_kill`: a process is one slot, so nobody else is hit."""
        self._board = board
        self._lease = lease * TRUST
        self._may_kill = may_kill
        # Slot → the run whose lease was renewed last, and when that was sent.
        self._renewed: dict[str, tuple[float, float]] = {}
        self._lost: dict[str, float] = {}  # slot → number of the run that lost its lease
        self._cancelled: dict[str, float] = {}  # slot → number of the run to cancel
        self._asked: dict[str, tuple[float, float]] = {}  # slot → run that was asked to end, when

    def runs(self) -> dict[str, float]:
        """Return which run each slot is at."""
        return self._board.runs()

    def renewed(self, held: Sequence[Held], sent_at: float) -> None:
        """Take what a renewal said of the slots."""
        for one in held:
            if one.lost:
                self._lost[one.slot] = number_of(one.fence)
                continue
            self._renewed[one.slot] = number_of(one.fence), sent_at
            if one.cancelled:
                self._cancelled[one.slot] = number_of(one.fence)

    def due(self, slot: str) -> float:
        """Return when there is something to do about a slot, in monotonic time."""
        row = self._board.row(slot)
        run = row.run
        if not run:
            return math.inf
        limits = row.limits
        moments = [at for at, _ in self._kills(slot, run, limits)] if self._may_kill else []
        if not self._was_asked(slot, run):
            moments.append(NEVER if self._cancelled.get(slot) == run else limits.soft or math.inf)
        return min(moments, default=math.inf)

    def asks(self, slot: str) -> bool:
        """Ask the run of a slot to end if it is time; tell whether its process needs the signal."""
        row = self._board.row(slot)
        run, now = row.run, time.monotonic()
        if not run or self._was_asked(slot, run):
            return False
        if self._cancelled.get(slot) == run:
            row.ask(CANCEL, run)
        elif NEVER < row.limits.soft <= now:
            row.ask(TIME_OUT, run)
        else:
            return False
        self._asked[slot] = run, now
        return True

    def verdict(self, slot: str) -> Verdict | None:
        """Return why the run of a slot must be killed now, if it must."""
        row = self._board.row(slot)
        run, limits, now = row.run, row.limits, time.monotonic()
        if not run or not self._may_kill:
            return None
        over = [(at, judge) for at, judge in self._kills(slot, run, limits) if at <= now]
        return min(over, key=lambda kill: kill[0])[1](run, limits) if over else None

    def _was_asked(self, slot: str, run: float) -> bool:
        return self._asked.get(slot, (NEVER, NEVER))[0] == run

    def _kills(
        self, slot: str, run: float, limits: Limits
    ) -> list[tuple[float, Callable[[float, Limits], Verdict]]]:
        """Return when the run is to be killed, and what for."""
        found: list[tuple[float, Callable[[float, Limits], Verdict]]] = []
        if limits.hard:
            found.append((limits.hard, _timed_out))
        if self._cancelled.get(slot) == run and self._was_asked(slot, run):
            found.append((self._asked[slot][1] + limits.grace, _cancelled))
        if limits.guarded:
            # A server that lost its last writes may renew another run than the slot's.
            renewed, sent_at = self._renewed.get(slot, (NEVER, NEVER))
            trusted = max(limits.guarded, sent_at if renewed == run else NEVER) + self._lease
            found.append((NEVER if self._lost.get(slot) == run else trusted, _lease_lost))
        return found


def _timed_out(run: float, limits: Limits) -> Verdict:
    again = limits.retry >= 0
    settlement = Settlement(
        outcome="retried" if again else "failed",
        reason="" if again else "timed_out",
        exception="django_jobqueue.exceptions.JobTimeout",
        traceback="JobTimeout: it did not end when it was asked to; its process was killed.\n",
        delay_ms=int(limits.retry * 1000) if again else 0,
    )
    return Verdict(run, "timed_out", settlement)


def _cancelled(run: float, limits: Limits) -> Verdict:
    return Verdict(run, "cancelled", Settlement(outcome="cancelled", reason="cancelled"))


def _lease_lost(run: float, limits: Limits) -> Verdict:
    return Verdict(run, "lease_lost", None)
