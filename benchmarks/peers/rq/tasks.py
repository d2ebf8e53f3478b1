"""The job."""

from benchmarks.record import note


def noop(number: int) -> int:
    note(number)
    return number
