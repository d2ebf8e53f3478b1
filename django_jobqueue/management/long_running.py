"""What the long-running commands share: their signals, their log, and the reload in development."""

import logging
import os
import sys
import threading
import time
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.utils.autoreload import get_child_arguments

from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs import failure
from django_jobqueue.jobs.text import spelled
from django_jobqueue.management import output
from django_jobqueue.management.arguments import refuse_green_threads
from django_jobqueue.worker import stop_signals
from django_jobqueue.worker.autoreload import run_reloading

LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.INFO, 3: logging.DEBUG}


class LongRunningCommand(output.Command):
    """A command that works until a signal stops it."""

    name: str
    on_windows: str  # what to do there instead
    waits_for_reader = False  # its leases and its end do not wait either
    _owns_process = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reload",
            action=BooleanOptionalAction,
            default=None,
            help="restart when code changes; default: DEBUG",
        )
        parser.add_argument("--reloader", type=int, help=SUPPRESS)  # the pid of `run_reloading`

    def run_from_argv(self, argv: Sequence[str]) -> None:
        if sys.platform != "win32":
            stop_signals.block()
        self._owns_process = True
        super().run_from_argv(list(argv))

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.platform == "win32":
            raise CommandError(self.on_windows)
        if threading.current_thread() is not threading.main_thread():
            raise CommandError(
                f"{self.name} handles signals, and Python allows that only in the main thread: "
                "call it there, or start it as a process of its own."
            )
        refuse_green_threads(self.name)
        self.check_options(options)
        log_to_terminal(options["verbosity"])
        if self._reloads(options):
            sys.exit(run_reloading([*get_child_arguments(), f"--reloader={os.getpid()}"]))
        try:
            self.work(options)
        except (JobQueueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error

    def check_options(self, options: dict[str, Any]) -> None:
        """Refuse options that do not go together, and set those that follow from others.

        Raises: CommandError.
        """

    def work(self, options: dict[str, Any]) -> None:
        raise NotImplementedError

    def _reloads(self, options: dict[str, Any]) -> bool:
        """Return whether to run the command in a child that is restarted when code changes."""
        if options["reloader"] is not None:
            return False
        if not self._owns_process:
            if options["reload"]:
                raise CommandError(
                    f"--reload starts the program again: use it on the command line, and call "
                    f"{self.name} without it."
                )
            return False
        return settings.DEBUG if options["reload"] is None else options["reload"]


class _Cleaned(logging.Formatter):
    """Format a record so that its text stays on its line, and steers no terminal."""

    _latest = 0, ""  # a second, and how it is written

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        second = int(record.created)
        if self._latest[0] != second:
            self._latest = second, time.strftime(self.default_time_format, self.converter(second))
        return f"{self._latest[1]},{record.msecs:03.0f}"

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname} {record.getMessage()}"
        error = record.exc_info and record.exc_info[1]
        block = f"\n{failure.full_text(error)}".rstrip("\n") if error else ""
        return spelled(line) + spelled(block, kept="\n\t")


def log_to_terminal(verbosity: int) -> None:
    """Show the package's log unless the project's LOGGING already does."""
    logger = logging.getLogger("django_jobqueue")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(_Cleaned())
        logger.addHandler(handler)
        logger.setLevel(LEVELS[verbosity])
