"""A task may change what it is given: what is kept, shown and sent is what it was called with."""

from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.redaction import HIDDEN
from django_jobqueue.signals import attempt_failed
from django_jobqueue.testing import EagerBackend
from tests.project import door_tasks as tasks
from tests.support.ended import ended

SECRET = "4711-secret-0815"
TOKEN = "abcdef-0123456789"


@pytest.fixture(params=["redis", "eager"])
def backend(request: pytest.FixtureRequest, engine: Engine, settings: Any) -> str:
    """With Redis, and in this process."""
    if request.param == "eager":
        eager = {"BACKEND": f"{EagerBackend.__module__}.{EagerBackend.__name__}"}
        settings.TASKS = {"default": settings.TASKS["default"] | eager}
    return str(request.param)


def run(backend: str, task: Any, *args: Any) -> Any:
    return task.enqueue(*args) if backend == "eager" else ended(task, *args)


def test_value_is_kept_for_the_call(backend: str) -> None:
    """`latest` finds it by the arguments that the caller gave."""
    result = run(backend, tasks.changes, [3, 1, 2])
    assert (result.return_value, result.args, result.metadata) == (1, [[3, 1, 2]], {})
    latest = tasks.changes.latest([3, 1, 2])
    assert latest is not None
    assert latest.value == 1
    assert tasks.changes.latest([1, 2, 3]) is None


def test_secret_that_is_taken_out_stays_hidden(backend: str) -> None:
    """One of the arguments, and one of the metadata."""
    task = tasks.changes.using(metadata={"api_token": TOKEN})
    result = run(backend, task, [3, 1], {"password": SECRET})
    assert f"ValueError: {HIDDEN} and {HIDDEN} are wrong" in result.errors[0].traceback


def test_receivers_see_the_call(backend: str) -> None:
    told: list[Any] = []

    def note(task_result: Any, **given: Any) -> None:
        told.append((task_result.args, task_result.metadata))

    attempt_failed.connect(note)
    try:
        run(backend, tasks.changes, [3, 1], {"password": SECRET})
    finally:
        attempt_failed.disconnect(note)
    assert told == [([[3, 1], {"password": SECRET}], {})]
