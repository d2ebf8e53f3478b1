"""The command-line arguments of the long-running commands, and their log to the terminal."""

import logging
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from pathlib import Path

from django.conf import settings
from django.utils.autoreload import get_child_arguments

from django_jobqueue.jobs.job import QUEUE_PATTERN
from django_jobqueue.worker.autoreload import run_reloading

LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.INFO, 3: logging.DEBUG}


def queues(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names or [text]:
        if not QUEUE_PATTERN.fullmatch(name):
            raise ArgumentTypeError(f"{name!r} is no queue name: letters, digits, '_', '-', '.'")
    return tuple(dict.fromkeys(names))


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def memory(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper().removesuffix("B"))
    if not found or not int(found[1]):
        raise ArgumentTypeError(f"{text!r} is no amount of memory such as 512M or 2G")
    if not Path("/proc/self/statm").exists():
        raise ArgumentTypeError("this system does not tell the memory of a process (no /proc)")
    return int(found[1]) << 10 * " KMG".index(found[2] or " ")


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return value


def writable(text: str) -> Path:
    """Return a path that can be written; later, a missing file would not reveal the cause."""
    path = Path(text)
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size):
            raise ArgumentTypeError(f"{text!r} is something else already: it would be removed")
        path.touch()
        path.unlink()
    except OSError as error:
        raise ArgumentTypeError(f"{text!r} can't be written: {error.strerror}") from None
    return path


def add_reload(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--reload",
        action=BooleanOptionalAction,
        default=None,
        help="restart when code changes; default: DEBUG",
    )


def reload_if_wanted(wanted: bool | None) -> None:
    """Run the command in a child that is restarted when code changes, and exit with it."""
    if settings.DEBUG if wanted is None else wanted:
        sys.exit(run_reloading([*get_child_arguments(), "--no-reload"]))


def log_to_terminal(verbosity: int) -> None:
    """Show the package's log unless the project's LOGGING already does."""
    logger = logging.getLogger("django_jobqueue")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(LEVELS[verbosity])
