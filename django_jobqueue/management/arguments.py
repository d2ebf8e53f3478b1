"""The command-line arguments of the long-running commands."""

import logging
import re
import time
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from django.core.management.base import CommandError

from django_jobqueue import compat
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import QUEUE_PATTERN
from django_jobqueue.paths import registered

logger = logging.getLogger("django_jobqueue.worker")

HIGHEST_WEIGHT = 1000


class Queues(NamedTuple):
    """The queues that a worker is to serve."""

    names: tuple[str, ...]
    weights: tuple[int, ...]  # none: in their order


def queues(text: str) -> tuple[str, ...]:
    names = _parts(text)
    for name in names:
        _check_queue(name)
    return tuple(dict.fromkeys(names))


def queues_to_serve(text: str) -> Queues:
    """Read names such as mail,default, or names with weights such as mail:5,default:1."""
    found = [_weighted(part) for part in _parts(text)]
    weights = dict(found)
    if not any(weights.values()):
        return Queues(tuple(weights), ())
    for name, weight in found:
        if name == ALL_QUEUES:
            raise ArgumentTypeError(f"{text!r}: '*' has no place among weights: name the queues")
        if not weight:
            raise ArgumentTypeError(
                f"{text!r}: {name!r} has no weight: give all queues one, such as {name}:1, or none"
            )
    if len(weights) < len(found):
        raise ArgumentTypeError(f"{text!r} names a queue twice")
    return Queues(tuple(weights), tuple(weights.values()))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] or [text]


def _check_queue(name: str) -> None:
    if name != ALL_QUEUES and not QUEUE_PATTERN.fullmatch(name):
        raise ArgumentTypeError(f"{name!r} is no queue name: letters, digits, '_', '-', '.'")


def _weighted(text: str) -> tuple[str, int]:
    """Read a queue and its weight; 0: it has none."""
    name, colon, weight = text.partition(":")
    _check_queue(name)
    if not colon:
        return name, 0
    if not weight.isdecimal() or not 1 <= int(weight) <= HIGHEST_WEIGHT:
        raise ArgumentTypeError(
            f"{text!r}: its weight must be a whole number from 1 to {HIGHEST_WEIGHT}"
        )
    return name, int(weight)


def check_queues(engine: Engine, wanted: Sequence[str] | None) -> None:
    """Warn of a queue that no task of the code names and that holds no job.

    Raises: CommandError if `QUEUES` of the alias lists its queues, but not this one.
    """
    listed = compat.task_backends[engine.alias].queues
    named_ones = set(wanted or ()) - {ALL_QUEUES}
    for name in wanted or ():
        if listed and name in named_ones - listed:
            raise CommandError(
                f"--queues: {name!r} is not in the QUEUES of TASKS[{engine.alias!r}]."
                f"{_meant(name, listed)}"
            )
    named = {task.queue_name for task in registered().values()}
    if strange := named_ones - named - listed:
        with suppress(JobQueueError):  # the worker itself waits for Redis, or tells what is wrong
            strange -= set(engine.inspector.known_queues(sorted(strange)))
            for name in sorted(strange):
                named |= {*engine.inspector.queues(), *engine.inspector.queues(prefix=name[:3])}
                logger.warning(
                    "--queues: no task names queue %r, and it holds no job.%s",
                    name,
                    _meant(name, named),
                )


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def refuse_green_threads(command: str) -> None:
    """Raise CommandError if the standard library was patched by gevent or eventlet."""
    if time.sleep.__module__ != "time":
        patcher = time.sleep.__module__.partition(".")[0]
        raise CommandError(
            f"{command} needs real processes, threads and signals, but {patcher} has patched them: "
            "start it without monkey patching. Patched processes can enqueue."
        )


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
