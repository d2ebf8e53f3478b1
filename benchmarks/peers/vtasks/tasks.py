"""The job."""

from django_vtasks import task

from benchmarks.record import note


@task
def noop(number: int) -> int:
    note(number)
    return number
