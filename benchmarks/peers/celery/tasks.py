"""The job."""

from celery import shared_task

from benchmarks.record import note


@shared_task
def noop(number: int) -> int:
    note(number)
    return number
