"""What a measured job writes when it starts: one line in a file that all processes append to.

It costs a job 2 µs, is the same for every queue, and tells which jobs ran, when, and how often.
"""

import os
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

VARIABLE = "BENCHMARK_RECORD"  # names the file
LINE = b"%010d %019d %019d %07d\n"
WIDTH = len(LINE % (0, 0, 0, 0))

_files: list[int] = []


class Start(NamedTuple):
    """A job that started: its number, when, and the CPU time of its process until then."""

    number: int
    at_ns: int  # of the clock that all processes of a machine share
    cpu_ns: int
    pid: int


def note(number: int) -> None:
    """Write that the job of this number has started, now."""
    now, cpu = time.monotonic_ns(), time.process_time_ns()
    if not _files:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        _files.append(os.open(os.environ[VARIABLE], flags, 0o600))
    os.write(_files[0], LINE % (number, now, cpu, os.getpid()))


class Record:
    """The file, for the one who reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def variables(self) -> dict[str, str]:
        """Return what tells a process to write here."""
        return {VARIABLE: str(self._path)}

    def clear(self) -> None:
        os.truncate(self._path, 0)

    def count(self) -> int:
        return self._path.stat().st_size // WIDTH

    def starts(self) -> list[Start]:
        """Return what has started so far, the earliest first."""
        lines = self._path.read_bytes().splitlines()
        return sorted((Start(*map(int, line.split())) for line in lines), key=attrgetter("at_ns"))


def require_each_once(starts: Sequence[Start], numbers: Iterable[int]) -> None:
    """Raise if not exactly these jobs have started, each once."""
    found, wanted = sorted(start.number for start in starts), sorted(numbers)
    if found != wanted:
        missing, other = len(set(wanted) - set(found)), len(found) - len(set(found) & set(wanted))
        raise RuntimeError(
            f"Of {len(wanted)} jobs {missing} did not start, and {other} starts were too many."
        )


def rate(starts: Sequence[Start]) -> float:
    """Return starts per second from the first to the last."""
    return (len(starts) - 1) * 1e9 / max(1, starts[-1].at_ns - starts[0].at_ns)


def cpu_usec(starts: Sequence[Start]) -> float:
    """Return the µs of CPU that the processes took per job, from first start to last in each."""
    spent = jobs = 0
    for _, group in groupby(sorted(starts, key=attrgetter("pid", "at_ns")), attrgetter("pid")):
        own = list(group)
        spent += own[-1].cpu_ns - own[0].cpu_ns
        jobs += len(own) - 1
    return spent / 1000 / max(1, jobs)
