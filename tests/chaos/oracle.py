"""What the tasks say that they did, from a file that no server and no worker can undo."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a run began, was interrupted, or ended."""

    what: str  # START; TIMEOUT or CANCEL; END, FAIL (on purpose) or LEFT (interrupted)
    job: str
    fence: str
    attempt: int
    pid: int
    at: float  # seconds since the epoch

    @classmethod
    def parse(cls, text: str) -> "Line":
        what, job, fence, attempt, pid, at = text.split(" ")
        return cls(what, job, fence, int(attempt), int(pid), float(at))


class Oracle:
    """All lines, by job."""

    def __init__(self, path: Path) -> None:
        self.lines = [Line.parse(text) for text in path.read_text().splitlines()]
        self._by_job: dict[str, list[Line]] = defaultdict(list)
        self._starts_in: dict[int, list[Line]] = defaultdict(list)
        for line in self.lines:
            self._by_job[line.job].append(line)
            if line.what == "START":
                self._starts_in[line.pid].append(line)

    def of(self, job: str) -> list[Line]:
        """Return a job's lines in the order in which they were written."""
        return self._by_job.get(job, [])

    def starts(self, job: str) -> list[Line]:
        return [line for line in self.of(job) if line.what == "START"]

    def has(self, what: str, job: str, fence: str) -> bool:
        return any(line.what == what and line.fence == fence for line in self.of(job))

    def last_start(self, pid: int, before: float) -> Line | None:
        """Return the last start in a process before a moment."""
        return next((x for x in reversed(self._starts_in[pid]) if x.at <= before), None)
