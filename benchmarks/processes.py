"""What the processes of a worker use, as Linux tells it; elsewhere nothing is known."""

import os
import resource
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """Return a process and all below it; an empty list if that can't be told here."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return []
    return [pid, *(each for child in below for each in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a tree of processes, and of those in it that have ended."""
    return sum(map(int, (word for each in tree(pid) for word in _stat(each)[11:15]))) / TICKS


def resident(pid: int) -> int:
    """Return the bytes that a tree of processes has in memory, what they share counted twice."""
    return sum(int(_stat(each)[21]) for each in tree(pid)) * resource.getpagesize()


def of_session(leader: int) -> list[int]:
    """Return the processes of a session, those that left their parents too."""
    if not Path("/proc/self/stat").exists():
        return []
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if _stat(pid)[3] == str(leader)]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50  # it has ended
