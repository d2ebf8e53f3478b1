"""A job that was run in this test."""

from typing import Any

from django_jobqueue.testing import drain


def ended(task: Any, *args: Any) -> Any:
    """Enqueue a job, run what is there, and return it."""
    result = task.enqueue(*args)
    drain()
    result.refresh()
    return result
