"""Jobs and the caller's transaction."""

import logging

import pytest
from django.db import transaction
from django.test import override_settings

from django_jobqueue import compat
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.signals import enqueue_failed
from tests.project import tasks
from tests.project.settings import OPTIONS, TASKS

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
    """Nothing is stored, and the result stays pending."""
    with transaction.atomic():
        result = tasks.add.enqueue(1, 2)
        transaction.set_rollback(True)
    assert result.is_pending
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
    assert result.is_pending
    assert engine.inspector.count(State.QUEUED) == 0


def test_a_short_refusal_is_overcome(engine: Engine) -> None:
    """If Redis takes the job at the second try, nobody needs to know."""
    client = engine.client.redis
    client.script_flush()
    client.connection_pool.disconnect()
    with transaction.atomic():
        result = tasks.add.enqueue(1, 2)
    assert not result.is_pending
