"""The kill of a child process, done only while its reason holds.

Each process of a worker leads a process group: what its tasks have started ends with it.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

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
        kill_group(pid)
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def kill_group(pid: int) -> None:
    """Kill a process and the group that it leads.

    Call it before the end of the process is collected: then its pid may become another's.
    """
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it does not lead yet; macOS: it has ended
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def has_ended(child: BaseProcess) -> bool:
    """Return whether a child has ended, without collecting its end."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return bool(wait([child.sentinel], timeout=0))
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, child.pid or 0, options) is not None
    except ChildProcessError:  # multiprocessing has collected it
        return True


def _has_stopped(pid: int) -> bool:
    """Return whether a child is stopped or has ended, without collecting its end."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return True
    options = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None
