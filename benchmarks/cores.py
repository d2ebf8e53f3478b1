"""Which core each process runs on. A child inherits the cores of the one that starts it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Set = frozenset[int]


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores of the server, of the producer and a single worker, and of two workers."""

    server: Set = frozenset()  # empty: wherever the kernel likes
    client: Set = frozenset()
    both: Set = frozenset()

    def __str__(self) -> str:
        if not self.both:
            return "none"
        return (
            f"server on core {_names(self.server)}; producer and single worker on core "
            f"{_names(self.client)}; two worker processes on cores {_names(self.both)}"
        )


def choose(pin: bool) -> Cores:
    """Return the first two cores that this process may use; none if it can't be pinned."""
    if not pin or not hasattr(os, "sched_setaffinity"):
        return Cores()
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return Cores()
    return Cores(frozenset(allowed[:1]), frozenset(allowed[1:2]), frozenset(allowed[:2]))


@contextmanager
def on(cores: Set) -> Iterator[None]:
    """Run on the given cores, with everything that is started meanwhile."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _names(cores: Set) -> str:
    return " and ".join(map(str, sorted(cores)))
