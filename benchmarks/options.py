"""The command line."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import dataclass
from pathlib import Path

from benchmarks import parsers
from benchmarks.peers.catalogue import PEERS
from benchmarks.plan import MEASURES

SMOKE = {
    "rounds": 1,
    "jobs": 200,
    "due_jobs": 500,
    "memory_jobs": 1000,
    "samples": 5,
    "sizes": (4, 20),
    "queues": (2, 30),
    "site_jobs": 3_000,
    "idle": 0.5,
}
RESULTS = Path(".bench") / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure, and how much of it."""

    section: str = "own"
    only: tuple[str, ...] = ()  # measures, or peers; empty: all
    parsers: tuple[str, ...] = ()  # empty: all that can be imported
    rounds: int = 5
    server: str | None = None  # None: the one that demo and tests use
    jobs: int = 10_000
    due_jobs: int = 100_000
    memory_jobs: int = 100_000
    samples: int = 200
    sizes: tuple[int, ...] = (10, 1000, 50_000)
    queues: tuple[int, ...] = (7, 60, 10_000)
    site_jobs: int = 1_000_000
    idle: float = 10.0
    patience: float = 60.0
    python: str | None = None
    tcp: bool = False
    pin: bool = True
    smoke: bool = False
    json: Path | None = None
    read: Path | None = None
    write_docs: bool = False
    profile: str | None = None

    @property
    def file(self) -> Path:
        return self.json or RESULTS / f"{self.section}.jsonl"


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    given: Namespace = _parser().parse_args(arguments)
    _check_only(given)
    values = {name: value for name, value in vars(given).items() if value is not None}
    if given.smoke:
        values = SMOKE | values
    return Options(**values)


def _check_only(given: Namespace) -> None:
    """Refuse names that the section does not have."""
    if given.only and given.section in ("names", "admin"):
        _parser().error(f"--{given.section} has one measure: leave --only out.")
    known = [*(PEERS if given.section == "peers" else MEASURES)]
    for name in given.only or ():
        if name not in known:
            _parser().error(f"--only: {name!r} is not one of {', '.join(known)}.")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the package with the settings that users have, round by round, each "
        "measure in processes of its own.",
    )
    _what(parser)
    _how_much(parser)
    _where(parser)
    _output(parser)
    return parser


def _what(parser: ArgumentParser) -> None:
    sections = parser.add_mutually_exclusive_group()
    for section, text in (
        ("names", "measure with few, many and very many queue names instead"),
        ("admin", "measure the admin's pages on a site with a million jobs instead"),
        ("peers", "measure other queues side by side instead, each in an environment of its own"),
    ):
        sections.add_argument(
            f"--{section}", dest="section", action="store_const", const=section, help=text
        )
    parser.add_argument(
        "--only",
        type=_words,
        metavar="A,B",
        help=f"only these measures of {', '.join(MEASURES)}; with --peers only these queues of "
        f"{', '.join(PEERS)}",
    )
    parser.add_argument(
        "--parsers",
        type=_parsers,
        metavar="A,B",
        help="hiredis, python or both; default: all that are here (--names: the first, --peers: "
        "what each installs by itself)",
    )
    parser.add_argument(
        "--profile",
        choices=["enqueue", "enqueue_many", "drain"],
        help="show where a client's time goes instead",
    )


def _how_much(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--rounds", type=_positive, help="times that each measure is taken (5)")
    add("--jobs", type=_positive, help="jobs of a measure (10000)")
    add("--due-jobs", type=_positive, help="jobs that are due at one instant (100000)")
    add("--memory-jobs", type=_positive, help="queued jobs whose memory is measured (100000)")
    add(
        "--samples",
        type=_positive,
        help="jobs of a latency measure (200); requests of a page, of which 20 are enough",
    )
    add("--sizes", type=_numbers, metavar="N,M", help="numbers of names (10,1000,50000)")
    add("--site-jobs", type=_positive, help="jobs of the site with the admin (1000000)")
    add("--queues", type=_numbers, metavar="N,M", help="numbers of its queues (7,60,10000)")
    add("--idle", type=_seconds, help="seconds that an idle worker is watched (10)")
    add("--patience", type=_seconds, help="seconds without a start that end a measure (60)")
    add("--smoke", action="store_true", help="a few jobs: does it run at all?")


def _where(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", help="redis-server, valkey, or the path of a program; memory is taken on it")
    add("--tcp", action="store_true", help="loopback TCP, not a Unix socket; peers always do")
    add("--no-pin", dest="pin", action="store_false", help="leave cores to chance")
    add("--python", help="the interpreter of the peers' environments (this one)")


def _output(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help=f"where all values go ({RESULTS}/….jsonl)")
    add("--read", type=Path, metavar="FILE", help="show the results of a run, and measure nothing")
    add("--write-docs", action="store_true", help="put the tables into the documentation too")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_positive(word) for word in text.split(","))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _parsers(text: str) -> tuple[str, ...]:
    wanted, here = _words(text), parsers.available()
    for word in wanted:
        if word not in parsers.LABELS:
            raise ArgumentTypeError(f"{word!r} is no reply parser: use {', '.join(parsers.LABELS)}")
        if word not in here:
            raise ArgumentTypeError(f"{word} is not installed: pip install hiredis")
    return wanted
