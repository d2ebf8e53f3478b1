"""What goes wrong and when: drawn from the seed before the storm begins."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.options import Options

GAP = 5.0  # seconds between two faults of a series on average, if the storm is long enough
REST = 0.2  # seconds between two faults of the road


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault."""

    name: str
    says: str
    share: int = 1  # how often among all
    seconds: tuple[float, float] = (0.0, 0.0)  # how long
    leases: tuple[float, float] = (0.0, 0.0)  # how long, in leases
    of_road: bool = False  # hits the server or the road to it: one of these at a time
    cuts: bool = False  # so long as to end leases
    breaks: bool = False  # stops scripts half-way: what they write last may be missing


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="slot_kill", says="SIGKILL of a slot's process", share=4),
        Kind(name="worker_kill", says="SIGKILL of a whole worker", share=2),
        Kind(
            name="freeze",
            says="SIGSTOP of a whole worker, then SIGCONT",
            share=3,
            leases=(1.2, 2.5),
        ),
        Kind(name="stop", says="SIGTERM of a worker", share=2),
        Kind(
            name="server_kill",
            says="kill -9 of the server, and restart",
            share=2,
            seconds=(0.0, 1.5),
            of_road=True,
            cuts=True,
        ),
        Kind(name="script_flush", says="SCRIPT FLUSH", share=2, of_road=True),
        Kind(name="client_kill", says="CLIENT KILL of all clients", share=2, of_road=True),
        Kind(name="oom", says="maxmemory below use", seconds=(0.2, 1.5), of_road=True),
        Kind(name="sleep", says="DEBUG SLEEP", seconds=(0.2, 1.5), of_road=True, cuts=True),
        Kind(
            name="black_hole",
            says="black hole on the road",
            leases=(0.3, 2),
            of_road=True,
            cuts=True,
        ),
        Kind(name="lost_replies", says="lost replies", share=3, seconds=(0.5, 3), of_road=True),
        Kind(name="delay", says="delays", seconds=(0.3, 3), of_road=True, cuts=True),
        Kind(
            name="acl",
            says="the ACL loses a command of the scripts",
            share=3,
            seconds=(1, 5),
            of_road=True,
            cuts=True,
            breaks=True,
        ),
        Kind(
            name="half_way",
            says="a command of each script may fail",
            share=2,
            seconds=(1, 3),
            of_road=True,
            cuts=True,
            breaks=True,
        ),
        Kind(name="reset", says="connections reset", share=2),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come."""

    kind: str
    at: float  # seconds since the faults began
    seconds: float  # that it lasts
    dice: float  # 0 to 1: which worker it hits, or how hard

    @property
    def end(self) -> float:
        return self.at + self.seconds


def plan(options: Options, rng: random.Random, kinds: list[str]) -> list[Fault]:
    """Return the faults of a storm in order: two series that go on at the same time."""
    road = [name for name in kinds if KINDS[name].of_road]
    workers = [name for name in kinds if not KINDS[name].of_road]
    found = [*_series(options, rng, road), *_series(options, rng, workers)]
    return sorted(found, key=lambda fault: fault.at)


def _series(options: Options, rng: random.Random, kinds: list[str]) -> Iterator[Fault]:
    """Yield each kind once, then all by their shares; those of the road don't overlap."""
    gap = min(GAP, options.seconds / (1.5 * len(kinds)))
    at, bag = rng.uniform(0, gap), rng.sample(kinds, len(kinds))
    while at < options.seconds:
        fault = _fault(KINDS[bag.pop()], at, options, rng)
        yield fault
        at += gap * rng.uniform(0.4, 1.6)
        if KINDS[fault.kind].of_road:
            at = max(at, fault.end + REST)
        if not bag:
            bag = [name for name in kinds for _ in range(KINDS[name].share)]
            rng.shuffle(bag)


def _fault(kind: Kind, at: float, options: Options, rng: random.Random) -> Fault:
    low, high = (a + options.lease * b for a, b in zip(kind.seconds, kind.leases, strict=True))
    return Fault(kind.name, at, min(rng.uniform(low, high), options.seconds - at), rng.random())
