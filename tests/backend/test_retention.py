"""retention: a task's succeeded jobs may go sooner than those of others."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue import Unique, compat, task
from django_jobqueue.conf import DEFAULT_RETENTION
from django_jobqueue.engine import Engine
from django_jobqueue.testing import drain
from tests.project import kept_tasks as tasks
from tests.support.clock import Clock
from tests.support.places import everything, places

HOUR = timedelta(hours=1)


def test_job_and_result_go_after_the_tasks_retention(engine: Engine, clock: Clock) -> None:
    """What `drain` runs ends as in a worker; a failed job stays as ever."""
    brief, other = tasks.brief.enqueue(1), tasks.total.enqueue(1)
    failed = tasks.brief.enqueue(0)
    drain()
    clock.move(3601)

    engine.queues.trim()

    assert places(engine)["succeeded"] == {"default": [other.id]}
    assert places(engine)["failed"] == {"default": [failed.id]}
    with pytest.raises(compat.TaskResultDoesNotExist):
        brief.refresh()


def test_call_keeps_as_its_task(engine: Engine, clock: Clock) -> None:
    """The worker reads it from the definition."""
    tasks.brief.using(priority=5).enqueue(1)
    with pytest.raises(TypeError, match="using has no option 'retention'"):
        tasks.brief.using(retention=HOUR)  # type: ignore[arg-type]
    drain()
    clock.move(3601)
    assert engine.queues.trim().removed == 1


def test_longer_one_does_not_lengthen_the_alias(engine: Engine, clock: Clock) -> None:
    """Whichever is over first decides."""
    tasks.lasting.enqueue()
    drain()
    assert "short-lived" not in everything(engine), "nothing is noted for so long"
    clock.move(DEFAULT_RETENTION["succeeded"] + 1)
    assert engine.queues.trim().removed == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retention": 60}, "retention=60 must be a timedelta from 1 minute to 366 days"),
        ({"retention": timedelta()}, r"retention=datetime.timedelta\(0\) must be a timedelta"),
        ({"retention": timedelta(seconds=59)}, "must be a timedelta from 1 minute to 366 days"),
        ({"retention": timedelta(days=400)}, "must be a timedelta from 1 minute to 366 days"),
        (
            {"retention": HOUR, "unique": Unique(until=2 * HOUR)},
            r"retention=.* is shorter than until=.* of its Unique: the lock would go with its job",
        ),
    ],
)
def test_bad_retention_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(compat.InvalidTask, match=message):
        task(**options)(tasks.total.func)


def test_it_may_be_as_long_as_the_lock() -> None:
    assert task(retention=HOUR, unique=Unique(until=HOUR))(tasks.total.func).retention == HOUR
    assert task(retention=HOUR, unique=Unique())(tasks.total.func).retention == HOUR
