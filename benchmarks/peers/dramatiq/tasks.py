"""The job. It returns nothing: without the middleware for results, a value is a warning each."""

import dramatiq

from benchmarks.record import note


@dramatiq.actor
def noop(number: int) -> None:
    note(number)
