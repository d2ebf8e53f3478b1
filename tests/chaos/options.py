"""The command line."""

import random
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass, field


def _any_seed() -> int:
    return random.randrange(1, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How large a storm, and on what."""

    jobs: int = 20_000
    seed: int = field(default_factory=_any_seed)
    server: str | None = None  # None: the one that demo and tests use
    workers: int = 3
    processes: int = 2  # per worker
    threads: int = 8  # per process of most workers; the others have processes instead
    lease: float = 2.0  # seconds
    minutes: float = 4.0  # that the load and the faults take; then the rest is drained
    drain: float = 300.0  # seconds that this may take
    fsync: str = "always"
    report: str | None = None
    folder: str | None = None
    timings: bool = False
    counting: str | None = None  # the kind of database

    @property
    def processes_alone(self) -> int:
        """Return how many processes a worker has that has no threads."""
        return max(self.processes, self.threads)

    @property
    def seconds(self) -> float:
        return self.minutes * 60


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    given = vars(_parser().parse_args(arguments))
    return Options(**{name: value for name, value in given.items() if value is not None})


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m tests.chaos",
        description="Let faults rage over a server and its workers, and see what became of the "
        "jobs. The exit code is 1 if a promise was broken.",
    )
    parser.add_argument("--jobs", type=_positive, help="jobs of the load (20000)")
    parser.add_argument("--seed", type=int, help="repeats load and faults (a random one)")
    parser.add_argument("--server", help="a program; default: the one of demo and tests")
    parser.add_argument("--workers", type=_positive, help="workers at a time (3)")
    parser.add_argument("--processes", type=_positive, help="processes per worker with threads (2)")
    parser.add_argument(
        "--threads",
        type=_positive,
        help="of these, or processes of others (8)",
    )
    parser.add_argument("--lease", type=float, help="seconds (2)")
    parser.add_argument("--minutes", type=float, help="of load and faults (4)")
    parser.add_argument("--drain", type=float, help="seconds to wait for the last job (300)")
    parser.add_argument(
        "--fsync", choices=["always", "everysec"], help="of the append-only file (always)"
    )
    parser.add_argument("--report", metavar="FILE", help="write the result there, as Markdown")
    parser.add_argument("--folder", metavar="DIR", help="put data and logs there, and keep them")
    parser.add_argument(
        "--timings",
        action="store_true",
        help="measure how fast work goes on after each fault, with the default lease, instead",
    )
    parser.add_argument(
        "--counting",
        choices=["sqlite", "postgres"],
        help="instead, let half of the jobs add one exactly once in such a database, the other "
        "half plainly",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)
