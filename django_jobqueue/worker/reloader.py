"""Restart a worker when its code changes, for development.

The worker runs as a child process; this one only watches files, with Django's own
reloader, so a project that can't be imported is tried again at its next change.
"""

import logging
import signal
import site
import subprocess
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from django.apps import apps
from django.utils import autoreload

logger = logging.getLogger("django_jobqueue.worker")


class _Watcher(autoreload.StatReloader):
    """Django's reloader, which notes a change instead of ending the process."""

    changed: str | PathLike[str] | None = None

    def notify_file_changed(self, path: str | PathLike[str]) -> None:
        self.changed = path


def run_reloading(command: Sequence[str]) -> int:
    """Run the command, anew after each change of a file, until a signal ends it."""
    keeper, watcher = _Keeper(command), _watcher()
    signal.signal(signal.SIGTERM, keeper.forward)
    signal.signal(signal.SIGINT, keeper.forward)
    keeper.start()
    for _ in watcher.tick():  # one look a second
        if keeper.signalled:
            break
        if watcher.changed is not None:
            logger.info("%s has changed: the worker restarts", watcher.changed)
            watcher.changed = None
            keeper.stop()
            keeper.start()
    return keeper.wait()


def _watcher() -> _Watcher:
    """Return a watcher that looks also at files that are not imported yet."""
    watcher = _Watcher()
    installed = [Path(folder) for folder in site.getsitepackages()]
    for config in apps.get_app_configs():
        path = Path(config.path)
        if not any(path.is_relative_to(folder) for folder in installed):
            watcher.watch_dir(path, "**/*.py")
    return watcher


class _Keeper:
    """The child process and what the signals want of it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self.signalled = False

    def start(self) -> None:
        if not self.signalled:
            self._child = subprocess.Popen(self._command)  # noqa: S603 - our own command line
        if self.signalled and self._child is not None:  # the signal reached the one before
            self._child.terminate()

    def stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            self._child.wait()

    def forward(self, signum: int, frame: object) -> None:
        # Ctrl+C reaches the child by itself: it shares the terminal.
        if signum == signal.SIGTERM and self._child is not None and self._child.poll() is None:
            self._child.terminate()
        self.signalled = True

    def wait(self) -> int:
        return 0 if self._child is None else self._child.wait()
