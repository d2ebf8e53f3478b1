"""When a failed job runs again."""

import math
from datetime import timedelta

import pytest

from django_jobqueue.exceptions import Retry
from django_jobqueue.retry import DEFAULT_BACKOFF, MAX_DELAY, Exponential, delay, validate


@pytest.mark.parametrize(
    ("backoff", "wanted"),
    [
        (3, [3, 3, 3, 3]),
        (0, [0, 0, 0, 0]),
        (0.5, [0.5] * 4),
        (timedelta(minutes=1), [60] * 4),
        ([1, timedelta(seconds=5), 9.5], [1, 5, 9.5, 9.5]),
        ((2,), [2, 2, 2, 2]),
        (Exponential(base=1, factor=3, cap=20, jitter=0), [1, 3, 9, 20]),
        (Exponential(base=0, jitter=0), [0, 0, 0, 0]),
    ],
)
def test_delay_after_each_attempt(backoff: object, wanted: list[float]) -> None:
    """Seconds, a list whose last one stays, or growing waits up to a cap."""
    validate(backoff)
    assert [delay(backoff, attempt) for attempt in (1, 2, 3, 4)] == wanted  # type: ignore[arg-type]


def test_jitter_only_shortens() -> None:
    """Jobs that failed together do not come back together."""
    backoff = Exponential(base=100, factor=1, jitter=0.25)
    drawn = {delay(backoff, 1) for _ in range(200)}
    assert all(75 <= seconds <= 100 for seconds in drawn)
    assert len(drawn) > 100


def test_default_grows_to_an_hour() -> None:
    """Nobody is hammered, nobody waits for days."""
    assert 3.75 <= delay(DEFAULT_BACKOFF, 1) <= 5
    assert 2700 <= delay(DEFAULT_BACKOFF, 50) <= 3600


@pytest.mark.parametrize("attempt", [64, 10**9])
@pytest.mark.parametrize("factor", [2, 1e5])
def test_late_attempts_do_not_overflow(attempt: int, factor: float) -> None:
    """However often a job fails, the cap holds."""
    backoff = Exponential(factor=factor, cap=1e12, jitter=0)
    assert delay(backoff, attempt) == MAX_DELAY


@pytest.mark.parametrize(
    "backoff", [[], (), "5", ["5"], [None], True, [True], None, {"a"}, object()]
)
def test_other_types_are_refused(backoff: object) -> None:
    """The message shows the value and what may be given."""
    with pytest.raises(TypeError, match=r"backoff=.*give seconds, a timedelta, a list of the"):
        validate(backoff)


@pytest.mark.parametrize(
    "backoff", [-1, [1, -0.5], timedelta(seconds=-1), MAX_DELAY + 1, math.nan, math.inf, [math.nan]]
)
def test_delays_out_of_range_are_refused(backoff: object) -> None:
    """No wait is negative, endless or longer than a day."""
    with pytest.raises(ValueError, match="each delay is between 0 s and 86400 s"):
        validate(backoff)


@pytest.mark.parametrize(
    "given", [{"base": -1}, {"factor": 0.5}, {"cap": -1}, {"jitter": -0.1}, {"jitter": 1.1}]
)
def test_exponential_refuses_what_makes_no_sense(given: dict[str, float]) -> None:
    """At definition, not at the first failure."""
    with pytest.raises(ValueError, match="base and cap can't be negative"):
        Exponential(**given)


def test_retry_takes_seconds_or_a_timedelta() -> None:
    """A task's own wish; None leaves it to the task's backoff."""
    assert Retry().after is None
    assert Retry(after=1.5).after == 1.5
    assert Retry(after=timedelta(minutes=2)).after == 120
    assert str(Retry(reason="rate limit")) == "rate limit"
