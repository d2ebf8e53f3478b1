"""The command line."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import dataclass

SMOKE = {"rounds": 1, "jobs": 200, "scheduled_jobs": 500, "memory_jobs": 1000, "samples": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure, and how much of it."""

    rounds: int = 5
    server: str | None = None  # None: the one that demo and tests use
    jobs: int = 5000
    scheduled_jobs: int = 100_000  # due at one instant; 0: not measured
    memory_jobs: int = 1_000_000  # 0: not measured
    samples: int = 200  # of an idle worker's latency, per round
    tcp: bool = False
    pin: bool = True
    smoke: bool = False
    json: str | None = None
    profile: str | None = None


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    given: Namespace = _parser().parse_args(arguments)
    values = {name: value for name, value in vars(given).items() if value is not None}
    if given.smoke:
        values = SMOKE | values
    return Options(**values)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the package, and compare it with the bare Redis round trip.",
    )
    parser.add_argument("--rounds", type=_positive, help="times that each measure is taken (5)")
    parser.add_argument("--server", help="a program, or 'all' that are here; memory is taken on it")
    parser.add_argument("--jobs", type=_positive, help="calls and jobs of one measure (5000)")
    parser.add_argument(
        "--scheduled-jobs", type=int, help="jobs that are due at one instant (100000; 0: none)"
    )
    parser.add_argument("--memory-jobs", type=int, help="jobs of the memory measure (1000000)")
    parser.add_argument("--samples", type=_positive, help="jobs of a latency measure (200)")
    parser.add_argument("--tcp", action="store_true", help="loopback TCP, not a Unix socket")
    parser.add_argument("--no-pin", dest="pin", action="store_false", help="leave cores to chance")
    parser.add_argument("--smoke", action="store_true", help="a few jobs: does it run at all?")
    parser.add_argument("--json", metavar="FILE", help="write all values there")
    parser.add_argument(
        "--profile",
        choices=["enqueue", "enqueue_many", "drain"],
        help="show where a client's time goes instead",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)
