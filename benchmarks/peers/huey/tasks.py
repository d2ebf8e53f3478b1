"""The job."""

from huey.contrib.djhuey import db_task

from benchmarks.record import note


@db_task()
def noop(number: int) -> int:
    note(number)
    return number
