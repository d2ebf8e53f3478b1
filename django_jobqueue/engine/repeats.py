"""Bound the time in which a thread's failed calls are repeated."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    deadline = math.inf  # monotonic


_thread = _Thread()


@contextmanager
def repeat_until(deadline: float) -> Iterator[None]:
    """Repeat no failed call of this thread in the block that could last longer."""
    before = _thread.deadline
    _thread.deadline = deadline
    try:
        yield
    finally:
        _thread.deadline = before


def check_time(timeout: float, error: Exception) -> None:
    """Raise the error of a call if a repeat with this time-out could last beyond the deadline."""
    if time.monotonic() + timeout > _thread.deadline:
        raise error
