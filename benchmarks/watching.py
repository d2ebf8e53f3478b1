"""Watch a worker of any queue by what its jobs write, and end it with all its processes."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import Set, on
from benchmarks.processes import of_session
from benchmarks.record import Record
from embedded.tether import tethered

POLL = 0.01  # seconds between two looks
STOP = 30.0  # seconds that a worker gets to stop


class Stalled(RuntimeError):
    """The worker ended, or started no job for longer than the patience; the message says which."""


def _pause() -> None:
    time.sleep(POLL)


@dataclass(slots=True)
class Worker:
    """A running worker, the leader of a session."""

    process: subprocess.Popen[bytes]
    record: Record
    log: Path
    patience: float  # seconds without a start
    usual: str = ""  # what stands in the lines of jobs that went well

    def wait_for(self, starts: int, meanwhile: Callable[[], object] = _pause) -> None:
        """Wait until the record has so many starts, and call `meanwhile` again and again.

        Raises: Stalled.
        """
        seen, deadline = self.record.count(), time.monotonic() + self.patience
        while (count := self.record.count()) < starts:
            if self.process.poll() is not None:
                raise Stalled(self._told(f"the worker ended with {self.process.returncode}", count))
            if count > seen:
                seen, deadline = count, time.monotonic() + self.patience
            elif time.monotonic() > deadline:
                raise Stalled(self._told(f"no job started for {self.patience:g} s", count))
            meanwhile()

    def stop(self) -> None:
        """Let the worker stop; kill what is left of it."""
        self.process.terminate()
        try:
            self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill all processes of the session."""
        for pid in of_session(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended
        self.process.kill()
        self.process.wait()

    def _told(self, what: str, count: int) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()
        telling = [line for line in lines if line and not (self.usual and self.usual in line)]
        errors = [line for line in telling if "Error" in line or "ERROR" in line]
        said = (errors or telling or ["nothing"])[-1]
        return f"{what}, after {count:,} starts. Its log says: {said}"


def start(
    command: Sequence[str], environment: Mapping[str, str], log: Path, cores: Set
) -> subprocess.Popen[bytes]:
    """Start a worker as the leader of a session, on its cores, with its output in a file.

    It does not outlive this process.
    """
    with log.open("wb") as output, on(cores):
        return subprocess.Popen(
            tethered(command, signal.SIGKILL),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
