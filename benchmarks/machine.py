"""What the figures were measured on: machine and versions."""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_STAT = Path("/proc/stat")
_CPUINFO = Path("/proc/cpuinfo")


def describe() -> dict[str, str]:
    """Return the date, the machine and the interpreter as a person reads them."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {_cpu()}, {platform.machine()}, "
        f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {sys.version.split()[0]}",
    }


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of installed packages; those that are missing are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def busy(seconds: float = 0.3) -> float | None:
    """Return which share of the machine's time somebody uses while this process waits."""
    before = _times()
    time.sleep(seconds)
    after = _times()
    if before is None or after is None or after[1] == before[1]:
        return None
    return 1 - (after[0] - before[0]) / (after[1] - before[1])


def _times() -> tuple[int, int] | None:
    """Return the idle time and all time of the machine so far."""
    try:
        words = _STAT.read_text("ascii").splitlines()[0].split()[1:9]
    except OSError:
        return None
    times = [int(word) for word in words]
    return times[3] + times[4], sum(times)


def _cpu() -> str:
    try:
        lines = _CPUINFO.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown CPU"
