"""The job."""

from benchmarks.record import note
from django_jobqueue import task


@task
def noop(number: int) -> int:
    note(number)
    return number
