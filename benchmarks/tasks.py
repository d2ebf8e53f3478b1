"""What the benchmarks run."""

from benchmarks.record import note
from django_jobqueue import task


@task
def noop(number: int, word: str) -> None:
    """Do nothing with two small arguments, but say that it was done."""
    note(number)


@task
async def async_noop(number: int, word: str) -> None:
    """Do the same in an event loop."""
    note(number)
