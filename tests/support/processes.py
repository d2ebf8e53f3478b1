"""Run and watch real workers, and wait for what they do."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent.parent
# Seconds that a condition may take that comes true by itself. Generous: it costs nothing.
PATIENCE = 45.0
# Seconds within which happens what waits for no time-out, on a machine that is busy with other
# things too; to be told from a lease of 30 s. `make chaos ARGS=--timings` measures the promises.
PROMPT = 10.0
# Less than an idle slot waits for a wake token (slot.BLOCK), after which it looks by itself.
AT_ONCE = 4.5
BUS = 10_000  # a cluster node's second port is so far above its first
# Below the ports that the system gives to outgoing connections, of BUS ports above them too.
PORTS = range(12_000, 22_000)
BEFORE: list[str] = []  # what starts a worker, as the command's first words
T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float = PATIENCE, what: str = "") -> T:
    """Return the first true value of `condition`; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout} s: {what or condition}; last: {value!r}")
        time.sleep(0.005)
    return value


def takes_less_than(seconds: float, measure: Callable[[], float]) -> None:
    """Fail unless what `measure` measures takes less, at least once.

    A time-out takes as long each time; a busy machine holds up once, and then less.
    """
    took: list[float] = []
    for _ in range(3):
        took.append(measure())
        print(f"It took {took[-1]:.2f} s")  # noqa: T201 - shown if the test fails later
        if took[-1] < seconds:
            return
    raise AssertionError(f"Never in less than {seconds} s, but in: {took}")


def seconds_of(act: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _ports() -> Iterator[int]:
    """Yield the ports that are this process's, of several that test side by side."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    of = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = PORTS[number::of]
    yield from itertools.islice(itertools.cycle(share), os.getpid() % len(share), None)


_next_ports = _ports()


def free_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens, nor at the port BUS above it.

    No call gets it again before all others: its server may be down for a while.
    """
    for port in itertools.islice(_next_ports, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + BUS))
            return port
    raise RuntimeError(f"No port of {PORTS} is free.")


def lines(path: Path) -> list[str]:
    """Return what tasks noted in a file so far."""
    return path.read_text().splitlines() if path.exists() else []


def started(path: Path, times: int = 1) -> None:
    """Wait until tasks noted that they started, so many times."""
    until(lambda: sum(line.startswith("start") for line in lines(path)) >= times)


def children(pid: int, *, ended: bool = False) -> list[int]:
    """Return the pids of a process's living children; with those that have `ended`, if wanted."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):  # of each thread
        with contextlib.suppress(OSError):
            found += [int(word) for word in listed.read_text().split()]
    return sorted(child for child in found if ended or alive(child))


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class WorkerProcess:
    """A real `manage.py jobworker`; each of its processes leads a process group."""

    command = "jobworker"

    def __init__(self, log: Path, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.log = log
        path = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
        defaults = {"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PYTHONPATH": path}
        command = [sys.executable, "-m", "django", self.command, "--no-reload"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*BEFORE, *command, *arguments],
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

    def signal_all(self, signum: int) -> None:
        """Send a signal to the supervisor and its processes, as a service manager can."""
        for pid in [self.pid, *self.slots()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def kill_all(self) -> None:
        self.signal_all(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop warmly and return the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends by itself, or as it was asked to; return the exit code."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker did not stop\n{self.output()}") from None

    def output(self) -> str:
        return self.log.read_text()


class SchedulerProcess(WorkerProcess):
    """A real `manage.py jobscheduler`."""

    command = "jobscheduler"
