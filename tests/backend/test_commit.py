"""Jobs and the caller's transaction."""

import asyncio
import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.test import override_settings

from django_jobqueue import compat
from django_jobqueue.checks import check_configuration
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.signals import enqueue_failed
from tests.project import tasks
from tests.project.plain import plain
from tests.project.settings import OPTIONS, TASKS
from tests.support.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_waits_for_the_commit(engine: Engine) -> None:
    """Before it: no time, no job, no signal. After it: all three."""
    seen: list[object] = []
    compat.signals.task_enqueued.connect(receiver := lambda **given: seen.append(given))
    with transaction.atomic():
        result = tasks.add.enqueue(1, 2)
        assert result.enqueued_at is None
        with pytest.raises(compat.TaskResultDoesNotExist):
            tasks.add.get_result(result.id)
        result.refresh()
        with pytest.raises(RuntimeError, match="waits for the commit"):
            result.wait(5)
        assert (engine.inspector.count(State.QUEUED), seen) == (0, [])
    compat.signals.task_enqueued.disconnect(receiver)
    assert not result.is_pending
    assert tasks.add.get_result(result.id) == result
    assert len(seen) == 1


def test_a_rollback_drops_the_job(engine: Engine) -> None:
    """Nothing is stored, and the result says so: of a savepoint before the commit too."""
    with transaction.atomic():
        result = tasks.add.enqueue(1, 2)
        with transaction.atomic():
            (inner,) = tasks.add.enqueue_many([(1, 2)])
            transaction.set_rollback(True)
        assert (inner.is_dropped, result.is_dropped, result.is_pending) == (True, False, True)
        transaction.set_rollback(True)
    for dropped in (result, inner):
        assert (dropped.is_pending, dropped.is_dropped) == (False, True)
        assert (dropped.state, dropped.is_finished) == (State.CANCELLED, True)
        dropped.refresh()
        with pytest.raises(ValueError, match="was never stored: it was cancelled, or rolled back"):
            dropped.wait(5)
    assert engine.inspector.count(State.QUEUED) == 0


def test_hook_of_others_that_raises_drops_the_job(engine: Engine) -> None:
    """Django then runs no further hook; the result tells that there is no job."""
    results = []

    def work() -> None:
        transaction.on_commit(lambda: 1 / 0)
        results.append(tasks.add.enqueue(1, 2))

    with pytest.raises(ZeroDivisionError):
        transaction.atomic(work)()
    (result,) = results
    until(lambda: result.is_dropped)
    assert engine.inspector.count(State.QUEUED) == 0


def test_cancel_before_the_commit_drops_the_enqueue(engine: Engine) -> None:
    """The commit then stores only what was not cancelled, also of enqueue_many."""
    with transaction.atomic():
        single = tasks.add.enqueue(1, 2)
        first, second = tasks.add.enqueue_many([(1, 1), (2, 2)])
        assert single.cancel()
        assert first.cancel()
    assert (single.state, first.state) == (State.CANCELLED, State.CANCELLED)
    assert [j.id for j in engine.inspector.page(State.QUEUED, 0, 9)] == [second.id]


def test_enqueue_on_commit_can_be_turned_off(engine: Engine) -> None:
    """Per call, or for all tasks defined under ENQUEUE_ON_COMMIT = False."""
    with transaction.atomic():
        assert tasks.add.using(on_commit=False).enqueue(1, 2).enqueued_at
    options = OPTIONS | {"ENQUEUE_ON_COMMIT": False}
    with override_settings(TASKS={"default": TASKS["default"] | {"OPTIONS": options}}):
        from django_jobqueue import task  # noqa: PLC0415 - under these settings

        assert task(tasks.add.func).on_commit is False


@pytest.mark.parametrize("given", [{}, {"ENQUEUE_ON_COMMIT": False}])
def test_tasks_of_libraries_are_stored_at_once(engine: Engine, given: dict[str, bool]) -> None:
    """As Django specifies, unless the project says more: one attempt, before the commit."""
    with override_settings(TASKS=tasks_with(**given)), transaction.atomic():
        result: Any = plain.enqueue()
        assert not result.is_pending
    assert engine.inspector.job(result.id).max_attempts == 1


def test_project_decides_about_tasks_of_libraries(engine: Engine) -> None:
    """They wait for the commit and are tried again; what a task says itself holds."""
    options = {"ENQUEUE_ON_COMMIT": True, "MAX_ATTEMPTS": 4}
    with override_settings(TASKS=tasks_with(**options)):
        with transaction.atomic():
            waiting: Any = plain.enqueue()
            own = tasks.add.using(max_attempts=2).enqueue(1, 2)
            assert waiting.is_pending
            at_once = tasks.add.using(on_commit=False).enqueue(1, 2)
            assert not at_once.is_pending
        stored = [engine.inspector.job(each.id) for each in (waiting, own, at_once)]
    assert [job.max_attempts for job in stored] == [4, 2, 4]


def tasks_with(**options: object) -> dict[str, Any]:
    return {"default": TASKS["default"] | {"OPTIONS": OPTIONS | options}}


@pytest.mark.usefixtures("nothing_durable")
@pytest.mark.parametrize(
    ("options", "atomic_requests", "ids"),
    [
        ({}, True, ["jobqueue.W008"]),
        ({}, False, []),
        ({"ENQUEUE_ON_COMMIT": True}, True, []),
        ({"ENQUEUE_ON_COMMIT": False}, True, []),
    ],
)
def test_w008_tasks_of_libraries_under_atomic_requests(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], atomic_requests: bool, ids: list[str]
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic_requests)
    with override_settings(TASKS=tasks_with(**options)):
        found = check_configuration()
    assert [message.id for message in found] == ids
    for message in found:
        assert "ENQUEUE_ON_COMMIT" in message.msg
        assert "MAX_ATTEMPTS" in str(message.hint)


def test_a_refusal_after_the_commit_is_told_and_breaks_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tries, then an ERROR with the id, and the signal; the commit goes through."""
    seen: list[str] = []
    enqueue_failed.connect(receiver := lambda result, **_: seen.append(result.id))
    client = engine.client.redis
    client.config_set("maxmemory", "1")
    try:
        with caplog.at_level(logging.ERROR, "django_jobqueue"), transaction.atomic():
            result = tasks.add.enqueue(1, 2)
    finally:
        client.config_set("maxmemory", "0")
        enqueue_failed.disconnect(receiver)
    assert seen == [result.id]
    assert result.id in caplog.text
    assert result.store_failed
    assert engine.inspector.count(State.QUEUED) == 0


def test_a_short_refusal_is_overcome(engine: Engine) -> None:
    """If Redis takes the job at the second try, nobody needs to know."""
    client = engine.client.redis
    client.script_flush()
    client.connection_pool.disconnect()
    with transaction.atomic():
        result = tasks.add.enqueue(1, 2)
    assert not result.is_pending


def test_savepoint_by_hand_takes_no_job_along(engine: Engine) -> None:
    """Django keeps the hooks of what came after it."""
    with transaction.atomic():
        create = getattr(transaction, "savepoint_create", None) or transaction.savepoint
        savepoint = create()  # Django 6.1 has renamed it
        kept, cancelled = tasks.add.enqueue(1, 2), tasks.add.enqueue(3, 4)
        cancelled.cancel()
        transaction.savepoint_rollback(savepoint)
    assert not kept.is_pending
    assert kept.enqueued_at is not None
    assert cancelled.is_dropped


def test_async_enqueue_is_in_the_transaction_of_the_thread_that_waits(engine: Engine) -> None:
    """`asyncio.run` brings another thread."""
    with transaction.atomic():
        inside = async_to_sync(tasks.add.aenqueue)(1, 2)
        outside = asyncio.run(tasks.add.aenqueue(3, 4))
        assert inside.is_pending
        assert outside.enqueued_at is not None
        transaction.set_rollback(True)
    assert inside.is_dropped
    outside.refresh()
    assert outside.state is State.QUEUED
