"""Libraries that still define their tasks with the backport, next to Django's own framework."""

from collections.abc import Callable
from typing import Any

import pytest

from django_jobqueue import compat
from django_jobqueue.engine import Engine
from django_jobqueue.task import Task
from tests.support.processes import PATIENCE, WorkerProcess

library = pytest.importorskip("tests.project.library", reason="django-tasks is not installed")


def test_a_task_of_the_backports_decorator_runs(
    worker_process: Callable[..., WorkerProcess], engine: Engine
) -> None:
    """It becomes a task of ours in the framework of this Django, and a worker runs it."""
    assert isinstance(library.double, Task)
    assert isinstance(library.double, compat.Task)
    result: Any = library.double.enqueue(21)
    worker_process("--burst", "--processes", "1")
    assert result.wait(PATIENCE) == 42
