"""The forks of tasks: the new process starts with Python's own signal handlers.

With the slot's handlers it would take SIGTERM for a request to the slot, and never end. Programs
that a task starts need nothing: the system replaces handlers by the defaults.
"""

import _thread
import os
import signal
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from django_jobqueue.worker.limits.interrupt import INTERRUPT_SIGNAL

_handlers: dict[signal.Signals, Any] = {}  # the slot's; empty in the processes that it forks
_under_way: list[None] = []  # an entry for each fork that is under way
_forking = threading.local()


def set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set the signal handlers of this slot process, for itself alone."""
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
    _handlers.update(handlers)
    os.register_at_fork(before=_block, after_in_parent=_restore, after_in_child=_reset)
    # Python drops what a handler raises within such a function, so interrupts have to wait. These
    # are written in C, where no handler runs: the first begins before all others, and after the
    # last one the handler looks again.
    os.register_at_fork(before=partial(_under_way.append, None), after_in_parent=_under_way.pop)
    os.register_at_fork(after_in_parent=partial(_thread.interrupt_main, INTERRUPT_SIGNAL))


def under_way() -> bool:
    """Return whether this process is about to fork, so that no handler may raise."""
    return bool(_under_way)


def _block() -> None:
    # A signal that the new process gets before its handlers are set waits for them.
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _handlers)


def _restore() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _reset() -> None:
    if _handlers:
        signal.set_wakeup_fd(-1)
    for signum, handler in _handlers.items():
        if signal.getsignal(signum) is handler:  # else the task has set its own
            default = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
            signal.signal(signum, default)
    _handlers.clear()
    _under_way.clear()
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)
