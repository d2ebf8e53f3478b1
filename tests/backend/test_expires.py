"""expires: what a caller says, and what becomes of the job."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from django_jobqueue import compat, schedule, task
from django_jobqueue.compat import signals, task_backends
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import captured_jobs, drain
from tests.project import tasks
from tests.support.places import record
from tests.support.processes import until

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}
MINUTE = timedelta(minutes=1)
OVER = timedelta(milliseconds=1)  # until a job is claimed


def test_time_is_stored(engine: Engine) -> None:
    """A relative one as it was given: it counts from the server's time of the enqueue."""
    result = tasks.noop.using(expires=MINUTE).enqueue()
    assert record(engine, result.id)["expires"] == "+60000"
    assert result.enqueued_at is not None
    assert result.expires_at == result.enqueued_at + MINUTE
    assert tasks.noop.get_result(result.id).expires_at == result.expires_at

    at = timezone.now() + MINUTE
    result = tasks.noop.using(expires=at).enqueue()
    assert record(engine, result.id)["expires"] == str(int(at.timestamp() * 1000))
    assert tasks.noop.enqueue().expires_at is None


def test_task_has_a_default(engine: Engine) -> None:
    every = task(expires=MINUTE)(tasks.add.func)
    for result in (every.enqueue(1, 2), *every.enqueue_many([(1, 2)])):
        assert record(engine, result.id)["expires"] == "+60000"
    call = every.using(expires=2 * MINUTE).enqueue(1, 2)
    assert record(engine, call.id)["expires"] == "+120000"


@pytest.mark.django_db(transaction=True)
def test_time_counts_from_the_commit(engine: Engine) -> None:
    with transaction.atomic():
        result = tasks.noop.using(expires=MINUTE, on_commit=True).enqueue()
        assert result.expires_at is None
    assert result.enqueued_at is not None
    assert result.expires_at == result.enqueued_at + MINUTE


def test_expired_job_is_not_run(engine: Engine) -> None:
    """Receivers of task_finished hear of it, as of each end."""
    heard: list[Any] = []

    def receive(task_result: Any, **_: Any) -> None:
        heard.append((task_result.id, task_result.reason))

    result = tasks.fail.using(expires=OVER).enqueue()
    over = (engine.inspector.job(result.id).expires_at or 0) + 1
    until(lambda: engine.cached_results.latest("d").now > over)
    signals.task_finished.connect(receive)
    try:
        assert drain() == 0
    finally:
        signals.task_finished.disconnect(receive)
    result.refresh()
    assert (result.state, result.reason, result.attempts) == (State.CANCELLED, "expired", 0)
    assert heard == [(result.id, "expired")]


@pytest.mark.parametrize(
    "expires",
    [60, 0.5, True, "1h", timedelta(0), -MINUTE, timedelta(microseconds=999), timedelta(days=367)],
)
def test_bad_time_is_refused(expires: Any) -> None:
    """At the definition, and at the call."""
    with pytest.raises(compat.InvalidTask, match="timedelta from 1 ms to 366 days") as raised:
        task(expires=expires)(tasks.add.func)
    assert f"expires={expires!r}" in str(raised.value)
    with pytest.raises(compat.InvalidTask, match="timedelta from 1 ms to 366 days"):
        tasks.add.using(expires=expires)


def test_naive_time_is_refused() -> None:
    naive = datetime(2030, 1, 1)
    with pytest.raises(compat.InvalidTask, match="has no time zone"):
        tasks.add.using(expires=naive)
    with override_settings(USE_TZ=False):
        assert tasks.add.using(expires=naive).expires == naive


@pytest.mark.parametrize(
    ("run_after", "expires"),
    [
        (MINUTE, MINUTE),
        (2 * MINUTE, MINUTE),
        (datetime(2100, 1, 1, tzinfo=UTC), MINUTE),
        (MINUTE, datetime(2020, 1, 1, tzinfo=UTC)),
        (datetime(2100, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
def test_job_that_could_not_start_in_time_is_refused(
    engine: Engine, run_after: Any, expires: Any
) -> None:
    late = tasks.noop.using(run_after=run_after, expires=expires)
    with pytest.raises(compat.InvalidTask, match="no job could start in time"):
        late.enqueue()
    with pytest.raises(compat.InvalidTask, match="no job could start in time"):
        tasks.noop.using(expires=MINUTE).enqueue_many([()] * 10, spread=3600)
    assert engine.inspector.count(State.SCHEDULED) == 0


@pytest.mark.usefixtures("declarations")
def test_schedule_takes_it(engine: Engine) -> None:
    """As a duration: one date for all its jobs is refused."""
    spec = schedule("poll", tasks.noop.using(expires=MINUTE), every=60)
    backend: Any = task_backends["default"]
    job = backend.prepare_scheduled(spec.task, [], {}, schedule="poll", nominal_at=1).job
    assert job.expires == "+60000"
    with pytest.raises(ValueError, match="Give each a name"):
        schedule("poll", tasks.noop, every=60)
    with pytest.raises(ValueError, match="give a timedelta"):
        schedule("once", tasks.noop.using(expires=datetime(2030, 1, 1, tzinfo=UTC)), every=60)


def test_captured_job_expires_as_in_redis() -> None:
    """It counts from the capture."""
    with captured_jobs() as jobs:
        late: Any = tasks.echo.using(expires=OVER).enqueue(1)
        early: Any = tasks.echo.using(expires=MINUTE).enqueue(1)
    assert early.expires_at == early.enqueued_at + MINUTE
    until(lambda: timezone.now() > late.expires_at + OVER)
    heard: list[str] = []

    def receive(task_result: Any, **_: Any) -> None:
        heard.append(task_result.reason)

    signals.task_finished.connect(receive)
    try:
        expired, ran = jobs.run()
    finally:
        signals.task_finished.disconnect(receive)
    assert (expired.state, expired.reason, expired.attempts) == (State.CANCELLED, "expired", 0)
    assert ran.state is State.SUCCEEDED
    assert heard == ["expired", ""]


def test_eager_job_is_in_time_unless_its_time_is_over() -> None:
    with override_settings(TASKS=EAGER):
        assert tasks.echo.using(expires=MINUTE).enqueue(1).state is State.SUCCEEDED
        late = tasks.echo.using(expires=timezone.now() - MINUTE).enqueue(1)
    assert (late.state, late.reason) == (State.CANCELLED, "expired")
