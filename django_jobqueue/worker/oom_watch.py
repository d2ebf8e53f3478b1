"""The detection of kills for lack of memory."""

import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

OOM_WINDOW = 5.0  # seconds after a kill by the kernel in which it explains the end of a process

_OOM_KILL = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class OomWatch:
    """Watch whether the kernel has just killed processes for lack of memory."""

    def __init__(self, counters: Sequence[Path] | None = None) -> None:
        """Read the first of `counters` that contains a count of such kills."""
        self._counters = _counters() if counters is None else counters
        self._count = self._read()
        self._rose_at = -math.inf  # monotonic

    def look(self) -> None:
        """Read the count and store the time if it has risen."""
        count = self._read()
        if count > self._count:
            self._rose_at = time.monotonic()
        self._count = count

    def has_just_killed(self) -> bool:
        self.look()
        return time.monotonic() - self._rose_at < OOM_WINDOW

    def _read(self) -> int:
        return next((count for count in map(_count, self._counters) if count is not None), 0)


def _counters() -> list[Path]:
    """Return the counter files of this control group (v1 and v2) and of the machine."""
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
