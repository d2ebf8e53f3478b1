"""The workers of a storm: real ones, which do not outlive it however it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from embedded.tether import tethered
from tests.support.processes import ROOT, WorkerProcess

_KILL = re.compile(r"^(\S+ \S+) WARNING Process (\d+) of slot \S+ was killed: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that its supervisor killed for its run."""

    worker: int  # pid of the supervisor
    pid: int
    at: float  # seconds since the epoch
    reason: str


class Worker(WorkerProcess):
    """A `jobworker` that dies with the thread that started it."""

    def __init__(self, log: Path, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.log = log
        path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
        command = [sys.executable, "-m", "django", "jobworker", "--no-reload", *arguments]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                tethered(command, signal.SIGKILL),
                env=os.environ | {"PYTHONPATH": path} | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.stop_by: float | None = None  # monotonic; set when it was asked to stop
        self.stop_codes = {0}  # with which it may end then
        self.frozen = False
        self.is_over = False  # its end was seen, or brought about

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def lacked_rights(self) -> bool:
        """Tell whether it ended because its Redis user lacked a right when it started."""
        return self.process.poll() == 1 and "may not run" in self.output()

    @property
    def free(self) -> bool:
        """Tell whether a fault may hit it: nothing else has it in its grip."""
        return self.running and self.stop_by is None and not self.frozen

    def kills(self) -> Iterator[Kill]:
        """Yield the processes that it killed, as its log tells."""
        for at, pid, reason in _KILL.findall(self.output()):
            yield Kill(self.pid, int(pid), datetime.fromisoformat(at).timestamp(), reason)

    def freeze(self) -> None:
        self.frozen = True
        self.signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self.signal_all(signal.SIGCONT)

    def ask_to_stop(self, within: float) -> None:
        self.stop_by = time.monotonic() + within
        if not self.slots():  # it is just starting, and perhaps does not listen yet
            self.stop_codes.add(-signal.SIGTERM)
        self.process.terminate()

    def kill(self) -> None:
        """End all of it, frozen or not."""
        self.is_over = True
        if self.running:
            self.kill_all()
