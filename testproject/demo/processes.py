"""The demo's child processes, which end with the demo and pass it their output by line."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from embedded.tether import tethered

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"


class Child:
    """A `manage.py` command in a process of its own, which does not outlive the demo.

    It has its own session, so Ctrl+C reaches only the demo, which stops its children in order.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        say: Callable[[str], None],
        *,
        on_owner_death: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Prepare a child; a thread will call `say` with each line of its output."""
        self.name = name
        self._arguments = arguments
        self._say = say
        self._on_owner_death = on_owner_death
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs or before its start."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start or restart the child. Call this from the main thread: see embedded.tether."""
        command = [sys.executable, str(MANAGE), *self._arguments]
        self._process = subprocess.Popen(
            tethered(command, self._on_owner_death),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "DJANGO_RUNSERVER_HIDE_WARNING": "true"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pass_on, args=[self._process], daemon=True)
        self._reader.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the child, if it is running."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the child and its process group; the processes of a worker follow."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def drain(self, timeout: float = 1.0) -> None:
        """Wait for the last lines of a child that has ended."""
        if self._reader is not None:
            self._reader.join(timeout)

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                if line.strip():
                    self._say(f"{self.name}: {line.rstrip()}")


def how_it_ended(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    return f"signal {-code} ({signal.Signals(-code).name})"
