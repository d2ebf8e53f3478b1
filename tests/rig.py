"""What tests need to run and watch real workers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent
T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float = 15.0, what: str = "") -> T:
    """Return the first true value of `condition`; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout} s: {what or condition}; last: {value!r}")
        time.sleep(0.005)
    return value


def free_port(below: int = 65_536) -> int:
    """Return a port of this machine at which nobody listens."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < below:
            return port


def lines(path: Path) -> list[str]:
    """Return what tasks noted in a file so far."""
    return path.read_text().splitlines() if path.exists() else []


def children(pid: int) -> list[int]:
    """Return the pids of a process's living children."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid and words[0] != "Z":
            found.append(int(folder.name))
    return sorted(found)


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class WorkerProcess:
    """A real `manage.py jobworker` in a process group of its own."""

    def __init__(self, log: Path, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.log = log
        path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
        defaults = {"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PYTHONPATH": path}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "django", "jobworker", "--no-reload", *arguments],
                env=os.environ | defaults | environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def slots(self) -> list[int]:
        """Return the pids of the slot processes."""
        return children(self.pid)

    def until_ready(self, processes: int = 1) -> "WorkerProcess":
        until(lambda: len(self.slots()) >= processes, what=f"worker is up\n{self.output()}")
        return self

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def kill_group(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout: float = 20.0) -> int:
        """Stop warmly and return the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker did not stop\n{self.output()}") from None

    def output(self) -> str:
        return self.log.read_text()
