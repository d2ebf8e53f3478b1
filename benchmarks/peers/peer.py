"""What is said of a queue: how it is installed, set up, and how its worker is started.

A queue's package also has `tasks.py`, the no-op job as its guide writes one, and `calls.py`:
`enqueue(numbers)` with one call a job as an application makes it, `fill(numbers)` as fast as it
goes, and `bulk(numbers)` if it documents a call for many.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DJANGO = "Django==6.1.3"
REDIS = "redis==8.1.0"
MEASURES = ("enqueue", "drain", "processes", "latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One queue in one configuration."""

    name: str  # on the command line
    label: str  # in the tables
    folder: str  # its package here, and its environment
    requirements: tuple[str, ...]
    # The words after the interpreter; with a number of slots, or None: the worker's own default.
    worker: Callable[[int | None], list[str]]
    # What it adds to the settings of a new project, by the server's URL; None: it needs no Django.
    settings: Callable[[str], dict[str, Any]] | None
    measures: tuple[str, ...] = MEASURES
    part: float = 1.0  # of the jobs of a drain, for one that would take minutes
