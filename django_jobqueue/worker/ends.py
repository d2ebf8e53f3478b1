"""How a process ends: killed for what it does and for nothing else, and why it ended."""

import math
import os
import re
import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

STOPPING = 1.0  # seconds that a process may take until the kernel has stopped it

JUST = 5.0  # seconds between a kill by the kernel and the end of a process that it explains

_OOM_KILL = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def kill_if(pid: int, reason_stands: Callable[[], object]) -> bool:
    """Kill a child process if the reason still stands when it can't go on; tell whether.

    It is stopped before the second look, so that it can't begin something else in between.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + STOPPING
    while not _has_stopped(pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    if reason_stands():
        os.kill(pid, signal.SIGKILL)
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def collect_orphans(own: Collection[int]) -> None:
    """Collect ended processes that are not `own`.

    Whose parent has ended becomes a child of process 1, which in a container may be a worker.
    """
    while os.getpid() == 1 and hasattr(os, "waitid"):
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in own:
            return
        os.waitpid(found.si_pid, 0)


def _has_stopped(pid: int) -> bool:
    """Tell whether a child is stopped or has ended, and leave its end to be collected."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return True
    options = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None


class MemoryWatch:
    """Tell whether the kernel has just killed processes for memory."""

    def __init__(self, counters: Sequence[Path] | None = None) -> None:
        """`counters`: files that count such kills, the first that does so is read."""
        self._counters = _counters() if counters is None else counters
        self._count = self._read()
        self._rose_at = -math.inf  # monotonic

    def look(self) -> None:
        """Note whether the count has risen."""
        count = self._read()
        if count > self._count:
            self._rose_at = time.monotonic()
        self._count = count

    def has_just_killed(self) -> bool:
        self.look()
        return time.monotonic() - self._rose_at < JUST

    def _read(self) -> int:
        return next((count for count in map(_count, self._counters) if count is not None), 0)


def _counters() -> list[Path]:
    """Return the files of this process's control group, in both versions, and the machine's."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found.append(Path(f"/sys/fs/cgroup{path}/memory.events"))
            elif "memory" in controllers.split(","):
                found.append(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
    return [*found, Path("/proc/vmstat")]


def _count(file: Path) -> int | None:
    try:
        found = _OOM_KILL.search(file.read_text())
    except OSError:
        return None
    return int(found[1]) if found else None
