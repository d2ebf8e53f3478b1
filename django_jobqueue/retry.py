"""The backoff of a task: how many seconds pass before a failed job runs again."""

import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django_jobqueue.exceptions import Cancel, JobInterrupt, Retry

logger = logging.getLogger("django_jobqueue")

MAX_DELAY = 86_400.0  # seconds; the cap of every backoff

Seconds = float | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Wait `base * factor ** (attempt - 1)` seconds, at most `cap`, less a random share."""

    base: float = 5.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: float = 0.25  # largest share of the delay that is subtracted at random

    def __post_init__(self) -> None:
        if self.base < 0 or self.factor < 1 or self.cap < 0 or not 0 <= self.jitter <= 1:
            raise ValueError(
                f"{self!r}: base and cap can't be negative, factor is at least 1, jitter is 0 to 1."
            )

    def delay(self, attempt: int) -> float:
        try:
            full = min(self.cap, MAX_DELAY, self.base * float(self.factor) ** (attempt - 1))
        except OverflowError:
            full = min(self.cap, MAX_DELAY)
        return full * (1 - self.jitter * random.random())  # noqa: S311 - no secret


Delays = Seconds | Sequence[Seconds] | Exponential
# Called with the exception and the JobResult of the attempt; returning None ends the retries.
BackoffFunction = Callable[[BaseException, Any], Seconds | None]
Backoff = Delays | BackoffFunction

DEFAULT_BACKOFF = Exponential()


def seconds(value: Seconds) -> float:
    """Return a duration as seconds; a number too large for a float becomes infinite."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, 1 if value > 0 else -1)


def cause_of(error: BaseException) -> BaseException:
    """Return what decides about a run that raised `error`: of a group, a member.

    That is a Cancel or Retry among its exceptions, or its only one; a TaskGroup raises such groups.
    """
    members = list(_members(error))
    for kind in (Cancel, Retry):
        for member in members:
            if isinstance(member, kind):
                return member
    return members[0] if len(members) == 1 else error


def _members(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _members(member)
    else:
        yield error


def _is_function(backoff: object) -> bool:
    return callable(backoff) and not isinstance(backoff, type)  # such as Exponential without ()


def validate(backoff: object) -> None:
    """Raise ValueError or TypeError unless the backoff is valid."""
    if isinstance(backoff, Exponential) or _is_function(backoff):
        return
    single = isinstance(backoff, int | float | timedelta)
    steps = [backoff] if single else list(backoff) if isinstance(backoff, Sequence) else []
    for step in steps or [None]:
        if isinstance(step, bool) or not isinstance(step, int | float | timedelta):
            raise TypeError(
                f"backoff={backoff!r}: give seconds, a timedelta, a list of them, "
                "Exponential(...), or a function of the exception and the result."
            )
        if not 0 <= seconds(step) <= MAX_DELAY:
            raise ValueError(
                f"backoff={backoff!r}: each delay is between 0 s and {MAX_DELAY:.0f} s."
            )


def delay(backoff: Delays, attempt: int) -> float:
    """Return the seconds to wait after the given attempt (1-based) failed."""
    if isinstance(backoff, Exponential):
        return backoff.delay(attempt)
    if isinstance(backoff, int | float | timedelta):
        return seconds(backoff)
    return seconds(backoff[min(attempt, len(backoff)) - 1])


def call_backoff(
    backoff: BackoffFunction, error: BaseException, result: Any, attempt: int
) -> float | None:
    """Return the delay in seconds that a project's function wants; None ends the retries.

    If the function raises or returns no delay, that is logged and the default backoff is used.
    """
    try:
        wanted = backoff(error, result)
    except (Exception, JobInterrupt, SystemExit):  # JobTimeout: it may raise what it was given
        return _default_delay(backoff, attempt)
    return None if wanted is None else checked_delay(wanted, MAX_DELAY, backoff, attempt)


def checked_delay(wanted: Any, most: float, source: object, attempt: int) -> float:
    """Return a delay that a project's code gave while a job ran, in seconds, at most `most`.

    If it is no delay, that is logged with its `source` and the default backoff is used.
    """
    try:
        if not isinstance(wanted, int | float | timedelta) or isinstance(wanted, bool):
            raise TypeError(f"{wanted!r} is no delay: give seconds or a timedelta.")
        delay = seconds(wanted)
        if not delay >= 0:
            raise ValueError(f"{wanted!r} is no delay: it must be at least 0 s.")
        return min(delay, most)
    except (TypeError, ValueError):
        return _default_delay(source, attempt)


def _default_delay(source: object, attempt: int) -> float:
    with suppress(Exception):  # the log may be unable to format the exception
        logger.exception("%r gives no delay; the default backoff is used.", source)
    return DEFAULT_BACKOFF.delay(attempt)
