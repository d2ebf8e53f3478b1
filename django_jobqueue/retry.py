"""When a failed job runs again: attempt number and exception → seconds, or give up."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

MAX_DELAY = 86_400.0  # seconds; the cap of every backoff

Seconds = float | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Wait `base * factor ** (attempt - 1)` seconds, at most `cap`, less up to `jitter` of it."""

    base: float = 5.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: float = 0.25  # share of the delay that is drawn at random

    def __post_init__(self) -> None:
        if self.base < 0 or self.factor < 1 or self.cap < 0 or not 0 <= self.jitter <= 1:
            raise ValueError(
                f"{self!r}: base and cap can't be negative, factor is at least 1, jitter is 0 to 1."
            )

    def delay(self, attempt: int) -> float:
        # The exponent is bounded: a float overflows at 2 ** 1024.
        full = min(self.cap, MAX_DELAY, self.base * self.factor ** min(attempt - 1, 64))
        return full * (1 - self.jitter * random.random())  # noqa: S311 - no secret


Backoff = Seconds | Sequence[Seconds] | Exponential

DEFAULT_BACKOFF = Exponential()


def seconds(value: Seconds) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def validate(backoff: Backoff) -> None:
    """Raise ValueError or TypeError unless `delay` can use the backoff."""
    if isinstance(backoff, Exponential):
        return
    steps = [backoff] if isinstance(backoff, int | float | timedelta) else list(backoff)
    if not steps or any(
        isinstance(step, bool) or not isinstance(step, int | float | timedelta) for step in steps
    ):
        raise TypeError(
            f"backoff={backoff!r}: give seconds, a timedelta, a list of them, or Exponential(...)."
        )
    if any(not 0 <= seconds(step) <= MAX_DELAY for step in steps):
        raise ValueError(f"backoff={backoff!r}: each delay is between 0 s and {MAX_DELAY:.0f} s.")


def delay(backoff: Backoff, attempt: int) -> float:
    """Return the seconds to wait after the given attempt (1-based) failed."""
    if isinstance(backoff, Exponential):
        return backoff.delay(attempt)
    if isinstance(backoff, int | float | timedelta):
        return seconds(backoff)
    return seconds(backoff[min(attempt, len(backoff)) - 1])
