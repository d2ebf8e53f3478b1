"""Round by round: each measure once a round, with each column in turn."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import parsers
from benchmarks.asking import ask, tell
from benchmarks.cores import Cores
from benchmarks.machine import busy, describe, versions
from benchmarks.options import Options
from benchmarks.plan import MEASURES
from benchmarks.request import Request
from benchmarks.results import Results, Taken, Writer
from benchmarks.servers import Server, binary, memory_binary, running
from django_jobqueue import __version__

COMMAND = [sys.executable, "-m", "benchmarks.take"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn:
    """One measure to be taken, and the column that it is for."""

    column: str
    request: Request
    parser: str
    server: Server


@dataclass(frozen=True, slots=True)
class Servers:
    """The server of most measures, and that of the memory measure."""

    most: Server
    memory: Server


def measure(options: Options, cores: Cores) -> Results:
    """Take all measures of a section, and write them to its file as they come."""
    with ExitStack() as stack:
        servers = _servers(options, cores, stack)
        writer = Writer(options.file, Results(options.section, _about(options, cores, servers)))
        turns = _TURNS[options.section]
        for number in range(options.rounds):
            for turn in turns(options, cores, servers, number):
                writer.add(_take(turn, cores))
    return writer.results


def _servers(options: Options, cores: Cores, stack: ExitStack) -> Servers:
    def started(program: Path) -> Server:
        given = running(options.server, program, tcp=options.tcp, cores=cores)
        return stack.enter_context(given)

    most = started(binary(options.server))
    if options.section == "own" and "memory" in wanted(options):
        return Servers(most, started(memory_binary(options.server)))
    return Servers(most, most)


def wanted(options: Options) -> list[str]:
    """Return the measures of the section that were asked for."""
    return [name for name in MEASURES if not options.only or name in options.only]


def readers(options: Options) -> Sequence[str]:
    """Return the reply parsers to measure with."""
    return options.parsers or parsers.available()


def _by_size(options: Options, cores: Cores, servers: Servers, number: int) -> Iterator[Turn]:
    for size in in_turn(options.sizes, number):
        request = request_of(options, cores, "names", number, size)
        yield Turn(f"{size:,} names", request, readers(options)[0], servers.most)


def _by_queues(options: Options, cores: Cores, servers: Servers, number: int) -> Iterator[Turn]:
    if number > 0:
        return  # one round asks for each page often enough
    for queues in options.queues:
        request = request_of(options, cores, "admin", number, queues)
        yield Turn(f"{queues:,} queues", request, readers(options)[0], servers.most)


def _by_parser(options: Options, cores: Cores, servers: Servers, number: int) -> Iterator[Turn]:
    for name in wanted(options):
        plan = MEASURES[name]
        if plan.once and number > 0:
            continue
        request = request_of(options, cores, name, number)
        server = servers.memory if plan.on_redis else servers.most
        for parser in in_turn(readers(options)[: None if plan.by_parser else 1], number):
            yield Turn(parsers.LABELS[parser], request, parser, server)


_TURNS = {"own": _by_parser, "names": _by_size, "admin": _by_queues}


def in_turn(items: Sequence[T], number: int) -> Sequence[T]:
    """Return the items of a round, of which each is first in its turn."""
    first = number % len(items) if items else 0
    return [*items[first:], *items[:first]]


def request_of(options: Options, cores: Cores, name: str, number: int, names: int = 0) -> Request:
    return Request(
        measure=name,
        round=number,
        jobs=options.jobs,
        samples=options.samples,
        due_jobs=options.due_jobs,
        memory_jobs=options.memory_jobs,
        idle=options.idle,
        patience=options.patience,
        names=names,
        site_jobs=options.site_jobs,
        client_cores=tuple(cores.client),
        both_cores=tuple(cores.both),
    )


def _take(turn: Turn, cores: Cores) -> Taken:
    request = turn.request
    tell(f"round {request.round + 1}: {request.measure} {turn.column}")
    others = busy()
    environment = {"BENCHMARK_REDIS_URL": turn.server.url, parsers.VARIABLE: turn.parser}
    answer = ask([*COMMAND, request.dump()], environment, cores.client)
    return Taken(
        column=turn.column,
        measure=request.measure,
        round=request.round,
        server=turn.server.name,
        busy=others,
        **answer,
    )


def _about(options: Options, cores: Cores, servers: Servers) -> dict[str, str]:
    found = versions("django", "redis", "hiredis")
    about = describe() | {"django_jobqueue": __version__}
    about |= {"packages": ", ".join(f"{name} {number}" for name, number in found.items())}
    about |= {"server": f"{servers.most.name}, {_socket(options)}, no persistence"}
    if servers.memory is not servers.most:
        about |= {"memory measured on": servers.memory.name}
    if options.section == "admin":
        about |= {"reply parser": parsers.LABELS[readers(options)[0]]}
        return about | {"pinning": str(cores), "jobs": f"{options.site_jobs:,}"}
    if options.section == "names":
        about |= {"reply parser": parsers.LABELS[readers(options)[0]]}
    else:
        about |= {
            "once": f"{options.due_jobs:,} jobs due at one instant for 2 processes × 1 thread; "
            f"memory of {options.memory_jobs:,} queued jobs"
        }
    return about | {
        "pinning": str(cores),
        "rounds": f"{options.rounds}, of {options.jobs:,} jobs a measure",
        "log": "the worker's default, a line at level INFO for each job, to a file",
    }


def _socket(options: Options) -> str:
    return "loopback TCP" if options.tcp else "Unix socket"
