"""What the benchmarks run."""

import time

from django_jobqueue import task


@task
def noop(number: int, word: str) -> None:
    """Do nothing with two small arguments."""


@task
def stamp() -> int:
    """Return when the task started, on the clock that all processes of a machine share."""
    return time.monotonic_ns()
