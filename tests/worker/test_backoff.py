"""A task's own backoff: a function, or the delay of a Retry."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue import Exponential, compat, task
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import YEAR
from tests.project import door_tasks as tasks
from tests.project.middleware import seen
from tests.support.ended import ended


@pytest.mark.parametrize("wanted", [0, 7.5, timedelta(minutes=2)])
def test_function_says_when_to_try_again(engine: Engine, wanted: Any) -> None:
    """It gets the exception, and the job as it runs."""
    seen.clear()
    given = wanted.total_seconds() if isinstance(wanted, timedelta) else wanted
    result = ended(tasks.asks, given)
    if given:
        assert result.state == "scheduled"
        job = engine.inspector.job(result.id)
        assert job.due_at == job.runs[0].finished_at + given * 1000
        assert seen == ["ValueError 1 running"]
    else:
        assert (result.state, len(result.errors)) == ("failed", 3)
        assert seen == ["ValueError 1 running", "ValueError 2 running"]


def test_function_may_give_up(engine: Engine) -> None:
    """None: the job has failed, whatever attempts are left."""
    result = ended(tasks.asks, None)
    assert (result.state, result.attempts) == ("failed", 1)


@pytest.mark.parametrize("wanted", ["raise", "soon", -1, True, "nan"])
def test_function_that_says_nonsense_is_told(
    engine: Engine, wanted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The default backoff is taken, and the log says why."""
    result = ended(tasks.asks, wanted)
    assert result.state == "scheduled"
    assert "as_asked" in caplog.text
    assert "the default backoff is used" in caplog.text


@pytest.mark.parametrize("wanted", [86_400.5, 10**9, "infinity"])
def test_longest_delay_is_a_day(engine: Engine, wanted: Any) -> None:
    """Whoever says more means it."""
    result = ended(tasks.asks, wanted)
    job = engine.inspector.job(result.id)
    assert job.due_at == job.runs[0].finished_at + 86_400_000


def test_function_that_raises_what_it_was_given_ends_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither JobTimeout, which a limited run asks it about beforehand, nor the task's error."""
    assert ended(tasks.healthy).return_value == "fine"
    assert ended(tasks.ill).state == "scheduled"
    assert caplog.text.count("the default backoff is used") == 2


def test_function_sees_the_job_as_it_was_enqueued(engine: Engine) -> None:
    """Its queue and priority; and the attempts, of which not all have a record."""
    seen.clear()
    result = ended(tasks.fails_often.using(queue_name="other", priority=7))
    assert seen[:2] == ["run 1", "1 other 7"]
    assert seen[-2:] == ["24 other 7", "run 25"]
    assert (result.state, result.attempts, len(result.worker_ids)) == ("failed", 25, 20)


@pytest.mark.parametrize(("after", "seconds"), [("five minutes", 300), (10**12, YEAR), (7, 7)])
def test_retry_of_ones_own_with_a_delay_of_any_kind(
    engine: Engine, after: Any, seconds: int
) -> None:
    """A class with an __init__ of its own passes no check of ours."""
    job = engine.inspector.job(ended(tasks.asks_again, after).id)
    assert job.due_at == job.runs[0].finished_at + seconds * 1000


@pytest.mark.parametrize("after", ["soon", -1])
def test_retry_with_a_delay_that_is_none(
    engine: Engine, after: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is retried after the default one."""
    assert ended(tasks.asks_again, after).state == "scheduled"
    assert "OwnRetry'> gives no delay; the default backoff is used" in caplog.text


def test_class_is_no_function() -> None:
    """Exponential without parentheses is a slip of the pen."""
    with pytest.raises(compat.InvalidTask, match="backoff="):
        task(backoff=Exponential)(tasks.ordinary.func)  # type: ignore[arg-type]


def test_function_is_asked_at_the_start_of_a_limited_run(engine: Engine) -> None:
    """For the case that its process has to be killed: then nobody is left to ask."""
    seen.clear()
    assert ended(tasks.asks_in_time, 5).state == "scheduled"
    assert seen[0].startswith("JobTimeout 1 running")
