"""The workers of a storm: real ones, which do not outlive it however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from embedded.tether import tethered
from tests.rig import ROOT, WorkerProcess


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
        self.frozen = False
        self.is_over = False  # its end was seen, or brought about

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def free(self) -> bool:
        """Tell whether a fault may hit it: nothing else has it in its grip."""
        return self.running and self.stop_by is None and not self.frozen

    def freeze(self) -> None:
        self.frozen = True
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        os.killpg(self.pid, signal.SIGCONT)

    def ask_to_stop(self, within: float) -> None:
        self.stop_by = time.monotonic() + within
        self.process.terminate()

    def kill(self) -> None:
        """End all of it, frozen or not."""
        self.is_over = True
        if self.running:
            self.kill_group()
