"""Restart a worker when its code changes, for development.

The worker runs as a child process. This process only watches files with Django's reloader, so
a project that fails to import is started again after the next change. The worker ends when this
process is gone: it would go on with old code, and nobody would know of it.
"""

import logging
import os
import site
import subprocess
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from django.apps import apps
from django.utils import autoreload

from django_jobqueue.worker.stop_signals import STOP_SIGNALS, handling

logger = logging.getLogger("django_jobqueue.worker")


class _Watcher(autoreload.StatReloader):
    """Django's reloader, but it stores a change instead of ending the process."""

    changed: str | PathLike[str] | None = None

    def notify_file_changed(self, path: str | PathLike[str]) -> None:
        self.changed = path


def run_reloading(command: Sequence[str]) -> int:
    """Run the command until a signal, and return its exit code.

    It restarts after each file change and when it was killed, but not after an error of its own:
    that needs a change.
    """
    keeper, watcher = _Keeper(command), _watcher()
    with handling(keeper.forward):
        keeper.start()
        for _ in watcher.tick():  # once a second
            if keeper.signalled:
                break
            if watcher.changed is not None:
                logger.info("%s has changed: the worker restarts", watcher.changed)
                watcher.changed = None
                keeper.stop()
                keeper.start()
            elif keeper.was_killed():
                logger.warning("The worker was killed: it restarts")
                keeper.start()
        return keeper.wait()


def is_gone(reloader: int | None) -> bool:
    """Return whether the process has ended that restarts this one; None: nobody does."""
    if reloader is None or os.getppid() == reloader:
        return False
    logger.warning("The process that restarts this one after changes is gone: it stops.")
    return True


def _watcher() -> _Watcher:
    """Return a watcher that also includes files that are not imported yet."""
    watcher = _Watcher()
    installed = [Path(folder) for folder in site.getsitepackages()]
    for config in apps.get_app_configs():
        path = Path(config.path)
        if not any(path.is_relative_to(folder) for folder in installed):
            watcher.watch_dir(path, "**/*.py")
    return watcher


class _Keeper:
    """Start and stop the child process, and forward signals to it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._is_restarting = False
        self.signalled = False

    def start(self) -> None:
        if not self.signalled:
            # In a group of its own: else the terminal would send it Ctrl+C too, and a second signal
            # ends its jobs.
            self._child = subprocess.Popen(self._command, process_group=0)  # noqa: S603
        if self.signalled and self._child is not None:  # the signal went to the previous child
            self._child.terminate()

    def stop(self) -> None:
        self._is_restarting = True
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            self._child.wait()
        self._is_restarting = False

    def was_killed(self) -> bool:
        """Return whether a signal ended the child that should be running."""
        return self._child is not None and (self._child.poll() or 0) < 0

    def forward(self, signum: int, frame: object) -> None:
        # A child that stops for a restart has had its first signal; the second ends its jobs.
        is_known = self._is_restarting and not self.signalled
        if not is_known and self._child is not None and self._child.poll() is None:
            self._child.send_signal(signum)
        self.signalled = True

    def wait(self) -> int:
        """Return the exit code; 0 if the child ended by the signal, before it could handle it."""
        code = 0 if self._child is None else self._child.wait()
        return 0 if -code in STOP_SIGNALS else code
