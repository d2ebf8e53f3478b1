"""The signal of each failed attempt."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.signals import attempt_failed
from django_jobqueue.testing import drain
from tests.project import door_tasks as tasks


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """What the signal's receiver got."""
    found: list[dict[str, Any]] = []

    def hear(sender: type, **given: Any) -> None:
        found.append({"sender": sender.__name__, **given})

    attempt_failed.connect(hear)
    yield found
    attempt_failed.disconnect(hear)


def test_each_failed_attempt_is_told(engine: Engine, heard: list[dict[str, Any]]) -> None:
    """Also one after which the job runs again."""
    result = tasks.breaks_twice.enqueue()
    drain()
    first, last = heard
    assert (first["sender"], first["task_result"].id) == ("JobQueueBackend", result.id)
    assert (first["will_retry"], last["will_retry"]) == (True, False)
    assert (first["task_result"].state, last["task_result"].state) == ("scheduled", "failed")
    assert [len(one["task_result"].errors) for one in heard] == [1, 2]
    assert str(first["exception"]) == "broken"
    assert first["retry_at"] is not None
    assert last["retry_at"] is None


def test_retry_is_told_with_its_time(engine: Engine, heard: list[dict[str, Any]]) -> None:
    """By the server's clock."""
    result = tasks.asks.enqueue(90)
    drain()
    (one,) = heard
    due_at = engine.inspector.job(result.id).due_at
    assert due_at is not None
    assert abs(one["retry_at"].timestamp() * 1000 - due_at) < 2
    assert one["retry_at"] - one["task_result"].last_attempted_at >= timedelta(seconds=90)


def test_success_is_silent(engine: Engine, heard: list[dict[str, Any]]) -> None:
    tasks.ordinary.enqueue()
    drain()
    assert heard == []


def test_receiver_that_raises_stops_nothing(
    engine: Engine, heard: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is logged."""

    def breaks(**given: Any) -> None:
        raise RuntimeError("a receiver's own error")

    attempt_failed.connect(breaks)
    try:
        result = tasks.breaks.enqueue()
        drain()
    finally:
        attempt_failed.disconnect(breaks)
    result.refresh()
    assert result.state == "failed"
    assert len(heard) == 1
    assert "a receiver's own error" in caplog.text
