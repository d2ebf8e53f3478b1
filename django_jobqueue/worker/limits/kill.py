"""The kill of a child process, done only while its reason holds."""

import os
import signal
import time
from collections.abc import Callable

SIGSTOP_TIMEOUT = 1.0  # seconds to wait until the kernel has stopped the process


def kill_if_still(pid: int, reason_stands: Callable[[], object]) -> bool:
    """Stop a child process, kill it if the reason still holds; return whether it was killed.

    Stopping it before the check keeps it from starting another run in between.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + SIGSTOP_TIMEOUT
    while not _has_stopped(pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    if reason_stands():
        os.kill(pid, signal.SIGKILL)
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def _has_stopped(pid: int) -> bool:
    """Return whether a child is stopped or has ended, without collecting its end."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return True
    options = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None
