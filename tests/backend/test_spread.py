"""enqueue_many(spread=…): jobs laid evenly over a time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import override_settings

from django_jobqueue import JobResult
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import captured_jobs
from tests.project import tasks

HOUR = 3_600_000  # ms
EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def delays(engine: Engine, results: Sequence[JobResult[..., Any]]) -> list[int]:
    """Return how many ms after it was stored each job is due; 0: at once."""
    jobs = [engine.inspector.job(result.id) for result in results]
    return [job.due_at - job.enqueued_at if job.due_at else 0 for job in jobs]


def test_jobs_are_laid_evenly_over_the_time(engine: Engine) -> None:
    """The first is queued at once, the rest are due one after the other, none at the very end."""
    results = tasks.echo.enqueue_many([(n,) for n in range(4)], spread=timedelta(hours=1))

    assert [result.state for result in results] == [State.QUEUED] + 3 * [State.SCHEDULED]
    assert delays(engine, results) == [0, HOUR // 4, HOUR // 2, 3 * HOUR // 4]
    assert [result.args for result in results] == [[0], [1], [2], [3]]


def test_a_thousand_jobs_in_several_round_trips(engine: Engine) -> None:
    """Each round trip goes on where the one before ended; seconds will do."""
    results = tasks.noop.enqueue_many([()] * 1100, spread=660)

    found = delays(engine, results)
    assert {after - before for before, after in pairwise(found)} == {600}
    assert found[-1] == 660_000 - 600


def test_uneven_steps_are_whole_milliseconds(engine: Engine) -> None:
    """Nothing drifts: the steps differ by one at most."""
    results = tasks.noop.enqueue_many([()] * 7, spread=timedelta(seconds=1))
    assert delays(engine, results) == [number * 1000 // 7 for number in range(7)]


def test_more_jobs_than_milliseconds_are_due_together(engine: Engine) -> None:
    """A short spread of many is allowed, and keeps their order."""
    results = tasks.noop.enqueue_many([()] * 10, spread=0.005)
    assert delays(engine, results) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_spread_begins_when_run_after_says(engine: Engine) -> None:
    """A delay stays one until the server adds it; of a time the due times are exact."""
    later = tasks.noop.using(run_after=timedelta(minutes=1))
    assert delays(engine, later.enqueue_many([(), ()], spread=60)) == [60_000, 90_000]

    at = datetime(2037, 5, 1, 12, tzinfo=UTC)
    results = tasks.noop.using(run_after=at).enqueue_many([(), ()], spread=60)
    due = [engine.inspector.job(result.id).due_at for result in results]
    assert due == [int(at.timestamp()) * 1000, int(at.timestamp()) * 1000 + 30_000]


def test_spread_over_a_change_of_clocks_is_even(engine: Engine) -> None:
    """In the hour that comes twice, no job is due an hour early."""
    at = datetime(2037, 10, 25, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    results = tasks.noop.using(run_after=at).enqueue_many([()] * 4, spread=timedelta(hours=4))

    due = [engine.inspector.job(result.id).due_at or 0 for result in results]
    assert [after - before for before, after in pairwise(due)] == 3 * [HOUR]


@pytest.mark.django_db(transaction=True)
def test_spread_counts_from_the_commit(engine: Engine) -> None:
    """What is stored at the commit is due by the time of the commit."""
    with transaction.atomic():
        results = tasks.noop.enqueue_many([(), ()], spread=60)
        assert all(result.is_pending for result in results)
    assert delays(engine, results) == [0, 30_000]


@pytest.mark.parametrize("spread", [0, -1, timedelta(), timedelta(days=367), float("nan"), 1e300])
def test_a_spread_out_of_bounds_is_refused(engine: Engine, spread: float | timedelta) -> None:
    """The message quotes it and says what is allowed; nothing is stored."""
    with pytest.raises(ValueError, match=r"spread=.*: give seconds .* above 0, at most a year"):
        tasks.noop.enqueue_many([(), ()], spread=spread)
    assert engine.inspector.count(State.QUEUED) == 0


@pytest.mark.parametrize("spread", ["an hour", True, [60]])
def test_a_spread_that_is_no_time_is_refused(engine: Engine, spread: Any) -> None:
    """Also where there is no call to spread."""
    with pytest.raises(TypeError, match=r"spread=.*: give seconds or a timedelta"):
        tasks.noop.enqueue_many([], spread=spread)


def test_a_bad_call_stores_nothing(engine: Engine) -> None:
    """The message tells which one, as without a spread."""
    with pytest.raises(TypeError, match="call 2 of enqueue_many is of type int"):
        tasks.noop.enqueue_many([(), 7], spread=60)  # type: ignore[list-item]
    assert engine.inspector.count(State.QUEUED) == 0


def test_captured_jobs_tell_when_they_are_due() -> None:
    """A project's test can assert it."""
    with captured_jobs() as jobs:
        tasks.noop.enqueue_many([()] * 3, spread=timedelta(minutes=3))
    assert [job.task.run_after for job in jobs] == [
        None,
        timedelta(minutes=1),
        timedelta(minutes=2),
    ]


@override_settings(TASKS=EAGER)
def test_eager_backend_does_not_wait() -> None:
    """It checks the spread and runs all jobs at once."""
    results = tasks.add.enqueue_many([(1, 1), (2, 2)], spread=timedelta(hours=1))
    assert [result.return_value for result in results] == [2, 4]
    with pytest.raises(ValueError, match="spread=0"):
        tasks.add.enqueue_many([(1, 1)], spread=0)
