"""What the slots of a worker and their supervisor tell each other, in shared memory.

No messages and no locks: each value is one float with one writer. Times are those of
`time.monotonic`, which is the same for all processes of a machine.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

# Written by the slot: when Redis last answered; the run that is under way, and its limits; whether
# it has ended since no job was left. By the supervisor: until when the process must have come
# along; what it asks of which run.
HEARD, RUN, GUARDED, SOFT, HARD, GRACE, RETRY, DRY, WITHIN, ASKED, ASKED_RUN = range(11)
WIDTH = 11

TIME_OUT, CANCEL = 1.0, 2.0  # what a supervisor asks
NEVER = 0.0


class Limits(NamedTuple):
    """What a run may not exceed. Moments are monotonic, NEVER: there is no limit."""

    guarded: float = NEVER  # it must end with its lease; when its claim was sent
    soft: float = NEVER  # when it is interrupted
    hard: float = NEVER  # when it is killed
    grace: float = 0.0  # seconds from a cancellation to the kill
    retry: float = -1.0  # seconds until the next attempt after a kill for time; -1: there is none


class Board:
    """One row per slot."""

    def __init__(self, context: Any, slots: Sequence[str]) -> None:
        """Lay out the rows; `context` is multiprocessing's, which knows how to share them."""
        self._values = context.RawArray("d", WIDTH * len(slots))
        self._rows = {slot: WIDTH * number for number, slot in enumerate(slots)}

    def row(self, slot: str) -> "Row":
        return Row(self._values, self._rows[slot])

    def runs(self) -> dict[str, float]:
        """Return the number of the run that each slot is at; 0.0: none."""
        return {slot: self.row(slot).run for slot in self._rows}


class Row:
    """What one slot and the supervisor tell each other."""

    def __init__(self, values: Any, start: int) -> None:
        self._values = values
        self._start = start
        self._heard, self._run = start + HEARD, start + RUN

    # The supervisor's

    def reset(self, within: float) -> None:
        """Begin with a new process, which has to be ready before a moment."""
        self._values[self._start + DRY] = 0.0
        self.leave(within)
        self.hear()

    def rest(self) -> None:
        """Note that nothing is expected of the slot: its process has ended."""
        self.leave(NEVER)

    def ask(self, what: float, run: float) -> None:
        """Ask a run to end; the slot looks when it gets the signal."""
        self._values[self._start + ASKED_RUN] = run
        self._values[self._start + ASKED] = what

    @property
    def heard_at(self) -> float:
        """Return when Redis last answered; infinity: it need not."""
        return float(self._values[self._heard])

    @property
    def run(self) -> float:
        """Return the number of the run under way; 0: none."""
        return float(self._values[self._run])

    @property
    def limits(self) -> Limits:
        start = self._start + GUARDED
        return Limits(*self._values[start : start + len(Limits._fields)])

    @property
    def within(self) -> float:
        """Return until when the process must be ready, or gone; NEVER: it may take its time."""
        return float(self._values[self._start + WITHIN])

    @property
    def is_dry(self) -> bool:
        """Tell whether the slot has ended since no job was left."""
        return bool(self._values[self._start + DRY])

    # The slot's

    def hear(self) -> None:
        """Note that Redis has answered the slot."""
        self._values[self._heard] = time.monotonic()

    def ready(self) -> None:
        """Note that the process has come up."""
        self._values[self._start + WITHIN] = NEVER

    def leave(self, within: float) -> None:
        """Note that the slot ends, and until when its process must be gone."""
        self._values[self._run] = 0.0
        self._values[self._heard] = math.inf
        self._values[self._start + WITHIN] = within

    def run_dry(self) -> None:
        """Note that the slot ends since no job is left."""
        self._values[self._start + DRY] = 1.0

    def work(self, run: float) -> None:
        """Note that a run is under way: it need not hear from Redis for as long as it takes."""
        self._values[self._heard] = math.inf
        self._values[self._run] = run

    def limit(self, limits: Limits) -> None:
        """Note what the run may not exceed; before `work`, whose run it is then."""
        start = self._start + GUARDED
        self._values[start : start + len(limits)] = limits

    def end(self) -> None:
        """Note that the run's own code has ended."""
        self._values[self._run] = 0.0
        self._values[self._heard] = time.monotonic()

    @property
    def asked(self) -> tuple[float, float]:
        """Return what the supervisor asks, and of which run."""
        start = self._start
        return float(self._values[start + ASKED]), float(self._values[start + ASKED_RUN])


def number_of(fence: str) -> float:
    """Return a fence as a number: 48 random bits, which a float holds exactly."""
    return float(int(fence.rpartition("-")[2] or "0", 16))
