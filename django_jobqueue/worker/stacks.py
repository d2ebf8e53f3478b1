"""Where the stacks of a worker's slots stand, for somebody who wants to know why a job takes long.

At a signal each process writes its stacks into a pipe: files, lines and names of functions, and no
values. `faulthandler` does so in C, within the signal handler, without a lock: a slot that hangs in
a library answers too. It may look at its own thread alone, since it crashes when others begin or
end meanwhile; so with several slots the main thread, which runs none, looks at theirs in Python.
"""

import faulthandler
import json
import logging
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from django_jobqueue.engine.leases import Leases
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.worker.child import Child

logger = logging.getLogger("django_jobqueue.worker")

# Windows lacks it, and has no supervisor that sends it.
STACKS_SIGNAL: signal.Signals = getattr(signal, "SIGUSR2", signal.SIGTERM)
ANSWER_WITHIN = 1.0  # seconds
MOST = 8_000  # characters of one stack
PIPE = 65_536  # bytes that it holds
BOTTOM = " in run_process\n"  # what stands below has forked the process
# The first line of a stack: of a thread, or of the only one that was looked at.
THREAD = re.compile(r"^(?:Stack|Thread 0x([0-9a-f]+)) \(most recent call first\):\n", re.MULTILINE)


def answer_by(writer: Connection, slots: int) -> dict[signal.Signals, Any]:
    """Let this process write the stacks of its slots into a pipe at each STACKS_SIGNAL.

    Return the handler that is still to be set for that, if there is one.
    """
    os.set_blocking(writer.fileno(), False)  # a full pipe must not stop a slot
    if slots > 1:
        return {STACKS_SIGNAL: partial(_write_all, writer.fileno())}
    faulthandler.register(STACKS_SIGNAL, writer.fileno(), all_threads=False)
    os.register_at_fork(after_in_child=partial(faulthandler.unregister, STACKS_SIGNAL))
    return {}


def _write_all(pipe: int, signum: int, frame: FrameType | None) -> None:
    """Write the stacks of all threads, as faulthandler does."""
    lines = []
    for thread, innermost in sys._current_frames().items():
        lines.append(f"Thread 0x{thread:016x} (most recent call first):")
        at: FrameType | None = innermost
        while at is not None:
            code = at.f_code
            lines.append(f'  File "{code.co_filename}", line {at.f_lineno} in {code.co_name}')
            at = at.f_back
    with suppress(OSError):  # the pipe is full
        os.write(pipe, "".join(f"{line}\n" for line in lines).encode(errors="replace"))


class Stacks:
    """Ask the processes of a worker where they are, and store what they answer."""

    def __init__(self, leases: Leases, worker: str) -> None:
        self._leases = leases
        self._worker = worker
        self.due = math.inf  # monotonic, when the answers are read

    def ask(self, children: Iterable[Child]) -> None:
        """Signal all processes with slots at work; another one would end at the signal."""
        for child in children:
            if child.stacks is not None and any(state.thread for state in child.states):
                _read(child.stacks)  # what came too late
                child.send(STACKS_SIGNAL)
        self.due = min(self.due, time.monotonic() + ANSWER_WITHIN)

    def store_if_due(self, children: Iterable[Child]) -> None:
        """Store the answers; None stands for a slot whose process gave none."""
        if time.monotonic() < self.due:
            return
        self.due = math.inf
        found: dict[str, str | None] = {}
        for child in children:
            dump = _read(child.stacks) if child.stacks is not None else ""
            for slot, state in zip(child.slots, child.states, strict=False):
                found[slot] = stack_of(dump, state.thread)
        try:
            self._leases.store_stacks(self._worker, json.dumps(found))
        except JobQueueError as error:
            logger.warning("The stacks of the slots can't be stored: %s", error)


def stack_of(dump: str, thread: int) -> str | None:
    """Return the stack of a thread, innermost first; None if the dump has none of it."""
    parts = THREAD.split(dump)
    for name, lines in zip(parts[1::2], parts[2::2], strict=True):
        if name is None or int(name, 16) == thread:
            own = "".join(lines.partition(BOTTOM)[:2])
            return "\n".join(line.strip() for line in own.strip().splitlines())[:MOST]
    return None


def _read(pipe: Connection) -> str:
    """Return what stands in a pipe."""
    found = b""
    with suppress(OSError):  # nothing, or nothing more
        while len(found) < 2 * PIPE and (part := os.read(pipe.fileno(), PIPE)):
            found += part
    return found.decode(errors="replace")
