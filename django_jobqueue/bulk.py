"""Expand many calls of one task into their arguments and the times at which they are due.

Next: backend.py stores them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django_jobqueue.exceptions import YEAR
from django_jobqueue.retry import Seconds, seconds
from django_jobqueue.task import as_called

Call = tuple[Any, ...] | list[Any] | Mapping[str, Any]
TaskCall = tuple[Any, Sequence[Any], Mapping[str, Any]]  # task, args, kwargs


def expand_calls(task: Any, calls: Iterable[Call], spread: Seconds | None) -> Iterator[TaskCall]:
    """Yield the task and arguments of each call; with `spread`, each task has its `run_after`.

    Raises: TypeError, ValueError.
    """
    if spread is None:
        for position, call in enumerate(calls, 1):
            yield task, *_arguments(position, call)
        return
    calls, start = list(calls), task.run_after
    if isinstance(start, datetime):
        start = start.astimezone(UTC)  # adding to a local time may skip an hour
    for number, delay in enumerate(_delays(spread, len(calls))):
        run_after = delay if start is None else start + delay
        each = as_called(task, run_after=run_after) if number else task
        yield each, *_arguments(number + 1, calls[number])


def _delays(spread: Any, count: int) -> Iterator[timedelta]:
    """Return `count` delays, in whole ms, that distribute jobs evenly over `spread`."""
    if isinstance(spread, bool) or not isinstance(spread, int | float | timedelta):
        raise TypeError(f"spread={spread!r}: give seconds or a timedelta.")
    if not 0 < seconds(spread) <= YEAR:
        raise ValueError(f"spread={spread!r}: give seconds or a timedelta above 0, at most a year.")
    span = round(seconds(spread) * 1000)
    return (timedelta(milliseconds=number * span // count) for number in range(count))


def _arguments(position: int, call: Call) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if isinstance(call, Mapping):
        return (), call
    if isinstance(call, list | tuple):
        return call, {}
    raise TypeError(
        f"call {position} of enqueue_many is of type {type(call).__name__}: give a tuple or list "
        "of positional arguments, such as (5,), or a mapping of keyword arguments."
    )
