"""Our tasks in the tests of others: mocks of a task, and the backends that Django brings."""

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import timedelta
from unittest import mock

import pytest
from django.test import override_settings

from django_jobqueue import compat
from django_jobqueue.compat import TaskResultStatus
from tests.project import tasks

BACKENDS = compat.BaseTaskBackend.__module__.rpartition(".")[0]


@pytest.fixture(params=["immediate.ImmediateBackend", "dummy.DummyBackend"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with override_settings(TASKS={"default": {"BACKEND": f"{BACKENDS}.{request.param}"}}):
        yield request.param


def test_method_of_a_task_can_be_mocked() -> None:
    """As tests of projects do it; the fields stay as they are."""
    with mock.patch.object(tasks.add, "enqueue") as enqueue:
        tasks.add.enqueue(1, 2)
    enqueue.assert_called_once_with(1, 2)
    assert not isinstance(tasks.add.enqueue, mock.Mock)
    with pytest.raises(FrozenInstanceError, match="priority is fixed: make a copy"):
        tasks.add.priority = 5  # type: ignore[misc]


def test_other_backends_take_our_tasks(backend: str) -> None:
    """Plain and async ones; one runs them at once, the other keeps them."""
    status = TaskResultStatus.SUCCESSFUL if "Immediate" in backend else TaskResultStatus.READY
    assert tasks.add.enqueue(1, 2).status == status
    assert tasks.aecho.enqueue(1).status == status


def test_what_other_backends_lack_is_told(backend: str) -> None:
    """Instead of an AttributeError."""
    with pytest.raises(compat.InvalidTask, match=r"Backend, which has no enqueue_many\(\): use"):
        tasks.add.enqueue_many([(1, 2)])


@override_settings(TASKS={"default": {"BACKEND": f"{BACKENDS}.dummy.DummyBackend"}})
def test_delay_becomes_a_time_where_delays_are_unknown() -> None:
    result = tasks.add.using(run_after=timedelta(hours=1)).enqueue(1, 2)
    assert result.task.run_after.tzinfo
