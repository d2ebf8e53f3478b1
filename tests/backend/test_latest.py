"""keep_latest: what a task returned last is there for who asks, and is refreshed once."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from django_jobqueue import Latest, compat, task
from django_jobqueue.backend import prepare
from django_jobqueue.cached import digest
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import EagerBackend, assert_enqueued, captured_jobs, drain
from tests.project import kept_tasks as tasks
from tests.support.clock import Clock
from tests.support.places import full_memory

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


def open_jobs(engine: Engine) -> int:
    return sum(engine.inspector.count(state) for state in (State.QUEUED, State.SCHEDULED))


def value_of(found: Latest[Any] | None) -> Any:
    assert found is not None
    return found.value


def test_value_outlives_its_job(engine: Engine) -> None:
    """What the latest run returned, when, and how old that is by the server's clock."""
    assert tasks.total.latest(1, 2) is None
    result = tasks.total.enqueue(1, 2)
    drain()
    result.refresh()
    engine.jobs.delete(result.id)

    found = tasks.total.latest(1, 2)

    assert found is not None
    assert (found.value, found.at, found.is_stale) == (3, result.finished_at, False)
    assert timedelta() <= found.age < timedelta(seconds=30)
    assert open_jobs(engine) == 0


@override_settings(USE_TZ=False)
def test_times_are_naive_without_use_tz(engine: Engine) -> None:
    """As all times of results are."""
    tasks.total.enqueue(1, 2)
    drain()
    found = tasks.total.latest(1, 2)
    assert found is not None
    assert found.at.tzinfo is None


def test_each_call_has_its_value(engine: Engine) -> None:
    """By arguments as the function takes them: by place, by name or by default."""
    tasks.total.enqueue(1)
    tasks.total.enqueue(b=5, a=1)
    drain()

    for found in (tasks.total.latest(1), tasks.total.latest(a=1), tasks.total.latest(1, b=0)):
        assert value_of(found) == 1
    assert value_of(tasks.total.latest(1, 5)) == 6
    assert tasks.total.latest(5, 1) is None


def test_none_is_a_value(engine: Engine) -> None:
    """A task that returns nothing has been run all the same."""
    tasks.nothing.enqueue()
    drain()
    assert value_of(tasks.nothing.latest()) is None


def test_context_is_no_argument(engine: Engine) -> None:
    """A task with its context is asked for by what its caller gives."""
    tasks.attempt.enqueue("x")
    drain()
    assert value_of(tasks.attempt.latest("x")) == ["x", 1]
    assert value_of(tasks.attempt.latest(word="x")) == ["x", 1]


def test_async_task_from_async_code(engine: Engine) -> None:
    """alatest() is latest()."""
    tasks.aword.enqueue()
    drain()
    found = asyncio.run(tasks.aword.alatest())
    assert value_of(found) == "word"


def test_failure_leaves_the_value(engine: Engine, tmp_path: Any) -> None:
    """The last good one is shown until there is another."""
    path = tmp_path / "value"
    path.write_text("good")
    tasks.content.enqueue(str(path))
    drain()
    path.unlink()
    tasks.content.enqueue(str(path))
    drain()

    assert engine.inspector.count(State.FAILED) == 1
    assert value_of(tasks.content.latest(str(path))) == "good"


# ── Refreshing ───────────────────────────────────────────────────────────────────────────────


def test_missing_value_is_asked_for_once(engine: Engine) -> None:
    """The first reader has a job stored, with the queue and priority of the task at hand."""
    asked = tasks.fresh.using(queue_name="slow", priority=5)
    assert [asked.latest(3), asked.latest(n=3), tasks.fresh.latest(3)] == [None, None, None]

    (job,) = engine.inspector.page(State.QUEUED, 0, 9)
    assert (job.task, job.queue, job.priority) == (tasks.fresh.module_path, "slow", 5)
    drain()
    assert value_of(tasks.fresh.latest(3)) == 3


def test_stale_value_is_shown_and_refreshed(engine: Engine, clock: Clock) -> None:
    """Before its time nothing is stored; then one job, whoever asks and how often."""
    tasks.fresh.enqueue(1)
    drain()
    clock.move(59)
    first = tasks.fresh.latest(1)
    assert first is not None
    assert (first.is_stale, open_jobs(engine)) == (False, 0)
    clock.move(1)

    for _ in range(3):
        found = tasks.fresh.latest(1)
        assert found is not None
        assert (found.value, found.at, found.is_stale) == (1, first.at, True)
    assert open_jobs(engine) == 1
    assert found.age >= timedelta(seconds=60)
    drain()
    renewed = tasks.fresh.latest(1)
    assert renewed is not None
    assert renewed.at > first.at
    assert (renewed.is_stale, open_jobs(engine)) == (False, 0)


def test_call_may_want_it_fresher(engine: Engine, clock: Clock) -> None:
    """using(refresh_after=…) is for this reader."""
    tasks.fresh.enqueue(1)
    drain()
    clock.move(10)
    wanted = tasks.fresh.using(refresh_after=5)
    assert [found and found.is_stale for found in (tasks.fresh.latest(1), wanted.latest(1))] == [
        False,
        True,
    ]
    assert open_jobs(engine) == 1


def test_failed_refresh_is_followed_by_another(engine: Engine, tmp_path: Any) -> None:
    """By the next reader, and not before."""
    path = str(tmp_path / "value")
    assert tasks.fresh_content.latest(path) is None
    drain()
    assert (engine.inspector.count(State.FAILED), open_jobs(engine)) == (1, 0)

    (tmp_path / "value").write_text("there")
    assert tasks.fresh_content.latest(path) is None
    assert open_jobs(engine) == 1
    drain()
    assert value_of(tasks.fresh_content.latest(path)) == "there"


def test_storm_of_readers_stores_one_job(engine: Engine, clock: Clock) -> None:
    """Fifty threads find the value stale at the same moment."""
    tasks.fresh.enqueue(1)
    drain()
    clock.move(3600)
    start = Barrier(50)

    def read(_: int) -> bool:
        start.wait(30)
        found = tasks.fresh.latest(1)
        return found is not None and found.is_stale

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(read, range(50)))
    assert open_jobs(engine) == 1


def test_storm_is_over_when_the_job_has_run(engine: Engine, clock: Clock) -> None:
    """Readers who saw the old value ask after the refresh is done: it is not done again."""
    tasks.fresh.enqueue(1)
    drain()
    clock.move(3600)
    name = digest(tasks.fresh, [1], {})
    slow_reader = engine.cached_results.latest(name)
    tasks.fresh.latest(1)
    drain()

    prepared = prepare(tasks.fresh, [1], {}, engine.options, engine.signer)
    seen = slow_reader.refresh

    assert engine.cached_results.refresh(name, prepared.job, seen=seen, keep=0) is None
    assert prepared.result.is_pending
    assert open_jobs(engine) == 0


@pytest.mark.django_db(transaction=True)
def test_refresh_does_not_wait_for_the_commit(engine: Engine) -> None:
    """It reads what is there; a page that is rolled back has asked all the same."""
    with transaction.atomic():
        tasks.fresh.latest(1)
        assert open_jobs(engine) == 1


def test_refresh_is_told_as_an_enqueue(engine: Engine) -> None:
    """task_enqueued is sent for the one that was stored, and for no other."""
    seen: list[Any] = []
    compat.signals.task_enqueued.connect(receiver := lambda **given: seen.append(given))
    tasks.fresh.latest(1)
    tasks.fresh.latest(1)
    compat.signals.task_enqueued.disconnect(receiver)
    (result,) = [given["task_result"] for given in seen]
    assert tasks.fresh.get_result(result.id).args == [1]


def test_full_server_still_shows_the_value(
    engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing new can be stored: a warning, and the page goes on with what is there."""
    tasks.fresh.enqueue(1)
    drain()
    clock.move(3600)
    with full_memory(engine), caplog.at_level(logging.WARNING, "django_jobqueue"):
        found = tasks.fresh.latest(1)
    assert value_of(found) == 1
    assert "tests.project.kept_tasks.fresh is not refreshed" in caplog.text
    assert open_jobs(engine) == 0


def test_value_without_refresh_after_is_never_asked_for(engine: Engine, clock: Clock) -> None:
    """Who renews it is somebody else's business: a schedule's, say."""
    assert tasks.total.latest(1) is None
    tasks.total.enqueue(1)
    drain()
    clock.move(10**9)
    assert value_of(tasks.total.latest(1)) == 1
    assert open_jobs(engine) == 0


# ── Kept for a time ──────────────────────────────────────────────────────────────────────────


def test_value_ends_after_its_time(engine: Engine, clock: Clock) -> None:
    """An hour after it was calculated there is none, wherever its key still stands."""
    tasks.hourly.enqueue()
    drain()
    assert value_of(tasks.hourly.latest()) == "hourly"
    client, name = engine.client.redis, digest(tasks.hourly, [], {})
    assert 3590 < client.ttl(engine.client.keys("cached", name)) <= 3600
    clock.move(3601)
    assert tasks.hourly.latest() is None


def test_damaged_value_is_none(engine: Engine) -> None:
    """Something else wrote there: no error of JSON comes out of a page."""
    key = engine.client.keys("cached", digest(tasks.total, [1], {}))
    for value in (b"{", b"\xff", b"[" * 100_000):
        engine.client.redis.hset(key, mapping={"value": value, "at": 1_700_000_000_000})
        assert tasks.total.latest(1) is None


# ── What is refused ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_latest": 60}, "keep_latest=60 must be True, False or a timedelta"),
        ({"keep_latest": timedelta()}, "keep_latest=.* must be True, False or a timedelta above 0"),
        ({"keep_latest": timedelta(days=400)}, "at most a year"),
        ({"keep_latest": True, "refresh_after": 0}, "refresh_after=0 must be seconds above 0"),
        ({"keep_latest": True, "refresh_after": "1 h"}, "refresh_after='1 h' must be seconds"),
        ({"keep_latest": True, "refresh_after": True}, "refresh_after=True must be seconds"),
        ({"refresh_after": 60}, "refresh_after needs keep_latest=True"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    """The definition fails, naming the value."""
    with pytest.raises(compat.InvalidTask, match=message):
        task(**options)(tasks.total.func)


def test_task_that_keeps_nothing_says_so() -> None:
    """Asking it is a mistake, not an empty answer; so is a reader's refresh_after."""
    with pytest.raises(
        compat.InvalidTask, match=r"plain keeps no latest value: .*keep_latest=True"
    ):
        tasks.plain.latest()
    with pytest.raises(compat.InvalidTask, match="refresh_after needs keep_latest"):
        tasks.plain.using(refresh_after=60)


def test_arguments_that_do_not_fit_are_refused(engine: Engine) -> None:
    """Nobody waits for the value of a call that can't be made."""
    with pytest.raises(TypeError, match=r"kept_tasks\.total\(a.*missing"):
        tasks.total.latest()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        tasks.total.latest(1, c=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"positional argument 1.*isoformat"):
        tasks.total.latest(datetime.now(UTC))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not valid Unicode"):
        tasks.fresh_content.latest("\udc80")


def test_redis_that_is_away_is_told(redis_server: Any) -> None:
    """The caller decides what the page shows then."""
    options = {"URL": "unix:///nowhere/redis.sock"}
    away = {"default": {"BACKEND": "django_jobqueue.backend.JobQueueBackend", "OPTIONS": options}}
    with override_settings(TASKS=away), pytest.raises(QueueUnavailable):
        tasks.total.latest(1)


# ── The name of a call ───────────────────────────────────────────────────────────────────────


def test_name_does_not_depend_on_how_it_is_called() -> None:
    """Names, defaults, tuples and the order of keys make no difference; types do."""
    name = digest(tasks.anything, [1], {"b": [1, 2], "x": {"k": 1, "j": 2}})
    assert name == digest(tasks.anything, [], {"x": {"j": 2, "k": 1}, "b": (1, 2), "a": 1})
    others = ([1], [1.0], ["1"], [True], [None], [1, 2], [[1]])
    assert len({digest(tasks.anything, args, {}) for args in others}) == len(others)
    assert digest(tasks.anything, [1, [], 3], {}) != digest(tasks.anything, [1, [3]], {})


def test_default_that_is_no_json_is_no_hindrance() -> None:
    """It can't be given by a caller, so leaving it out says that it was taken."""
    assert digest(tasks.with_zone, [], {}) != digest(tasks.with_zone, ["UTC"], {})


# ── Without Redis ────────────────────────────────────────────────────────────────────────────


@override_settings(TASKS=EAGER)
def test_eager_backend_keeps_values() -> None:
    """The first look starts the calculation, the next one finds it; clear() forgets."""
    EagerBackend.clear()
    assert tasks.fresh.latest(1) is None
    found = tasks.fresh.latest(n=1)
    assert found is not None
    assert (found.value, found.is_stale) == (1, False)
    assert tasks.fresh.using(refresh_after=1e-9).latest(1) is not None
    result = tasks.fresh.enqueue(2)
    EagerBackend.clear()
    with pytest.raises(compat.TaskResultDoesNotExist):
        tasks.fresh.get_result(result.id)
    assert tasks.total.latest(1) is None
    EagerBackend.clear()


@override_settings(TASKS=EAGER)
def test_eager_backend_asks_again_after_a_failure(tmp_path: Any) -> None:
    """As the real one does."""
    EagerBackend.clear()
    path = tmp_path / "value"
    assert tasks.fresh_content.latest(str(path)) is None
    path.write_text("there")
    assert tasks.fresh_content.latest(str(path)) is None
    assert value_of(tasks.fresh_content.latest(str(path))) == "there"
    EagerBackend.clear()


def test_captured_jobs_hold_the_refresh() -> None:
    """A project's test sees what a page asks for, runs it, and sees what the page shows then."""
    with captured_jobs() as jobs:
        assert [tasks.fresh.latest(1), tasks.fresh.latest(1)] == [None, None]
        assert_enqueued(jobs, tasks.fresh, args=[1], count=1)
        jobs.run()
        assert value_of(tasks.fresh.latest(1)) == 1
    with captured_jobs():
        assert tasks.total.latest(1) is None
