"""Tell workers to be quiet or to stop, and ask where the stacks of their slots stand."""

import time
from collections.abc import Iterator

from django_jobqueue.engine import Engine
from django_jobqueue.engine.remote_control import Word

ANSWER_WITHIN = 5.0  # seconds; a worker looks every half second, and waits a second for its slots
LOOK_EVERY = 0.2  # seconds


def ask_for_stacks(engine: Engine, worker: str) -> dict[str, str | None] | None:
    """Return the stack of each slot, None of one that can't tell; None: no answer came.

    Raises: QueueUnavailable.
    """
    if not engine.remote_control.tell(worker, Word.STACKS):
        return None
    for _ in _pauses():
        found = engine.remote_control.stacks(worker)
        if found is not None:
            return found
    return None


def _pauses() -> Iterator[None]:
    until = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        yield
