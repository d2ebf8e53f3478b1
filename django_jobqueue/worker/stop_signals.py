"""The signals that ask a long-running command to stop.

On the command line they are blocked, except while the command's handlers are set: a signal that
comes earlier waits for the handlers, and one that comes later can't turn a good end into a kill.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Windows, where the commands only say what to use instead, lacks SIGHUP.
STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)


def block() -> None:
    """Block them for the rest of the process, except within `handling`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


@contextmanager
def blocked() -> Iterator[None]:
    """Block them in this thread, and in the threads that it starts meanwhile."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def heeded() -> list[signal.Signals]:
    """Return those that whoever started the process has not switched off, as nohup does."""
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [one for one in STOP_SIGNALS if not (one == signal.SIGHUP and nohup)]


@contextmanager
def handling(handler: Callable[[int, object], object]) -> Iterator[None]:
    """Call `handler` at each of them, and restore everything afterwards.

    Raises: ValueError outside the main thread.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    before = {signum: signal.signal(signum, handler) for signum in heeded()}
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for signum, earlier in before.items():
            # None: it was not set from Python, and can't be restored.
            signal.signal(signum, signal.SIG_DFL if earlier is None else earlier)


@contextmanager
def alarm() -> Iterator[int]:
    """Yield a file descriptor that each signal makes readable."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
