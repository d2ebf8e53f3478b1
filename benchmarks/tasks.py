"""What the benchmarks run."""

from benchmarks.record import note
from django_jobqueue import task


@task
def noop(number: int, word: str) -> None:
    """Do nothing with two small arguments, but say that it was done."""
    note(number)


@task
def noop_2(number: int, word: str) -> None:
    """Be another task of a site that has several."""


@task
def noop_3(number: int, word: str) -> None:
    """Be a third one."""


@task
async def async_noop(number: int, word: str) -> None:
    """Do the same in an event loop."""
    note(number)
