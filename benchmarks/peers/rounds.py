"""Round by round: each measure once a round, with each queue in turn."""

from typing import Any

from benchmarks.asking import tell
from benchmarks.cores import Cores
from benchmarks.machine import busy, describe
from benchmarks.options import Options
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.environments import Environment, Unavailable, interpreter, prepare, version_of
from benchmarks.peers.peer import DJANGO, MEASURES, REDIS, Peer
from benchmarks.peers.turn import take
from benchmarks.results import Results, Taken, Writer
from benchmarks.rounds import in_turn
from benchmarks.servers import Server, binary, running


def measure(options: Options, cores: Cores) -> Results:
    """Measure all queues that can be installed.

    Raises: Unavailable, if there is no interpreter for them.
    """
    python = interpreter(options.python)
    here, missing = _installed(options, python)
    with running(options.server, binary(options.server), tcp=True, cores=cores) as server:
        about = _about(options, cores, python, server)
        writer = Writer(options.file, Results(options.section, about))
        for peer, why in missing.items():
            writer.add(_taken(peer, "installation", 0, server, {"cannot": why}))
        for number in range(options.rounds):
            for name in MEASURES:
                for peer in in_turn([p for p in here if name in p.measures], number):
                    tell(f"round {number + 1}: {name} {peer.label}")
                    others = busy()
                    answer = take(peer, here[peer], name, server.url, options, cores)
                    writer.add(_taken(peer, name, number, server, answer, others))
    return writer.results


def _installed(options: Options, python: str) -> tuple[dict[Peer, Environment], dict[Peer, str]]:
    """Return the queues with their environments, and those that can't be had with the reason."""
    here, missing = {}, {}
    for peer in PEERS.values():
        if options.only and peer.name not in options.only:
            continue
        try:
            here[peer] = prepare(peer, python)
        except Unavailable as error:
            missing[peer] = str(error)
    return here, missing


def _taken(
    peer: Peer,
    name: str,
    number: int,
    server: Server,
    answer: dict[str, Any],
    others: float | None = None,
) -> Taken:
    return Taken(
        column=peer.label,
        measure=name,
        round=number,
        server=server.name,
        busy=others,
        **answer,
    )


def _about(options: Options, cores: Cores, python: str, server: Server) -> dict[str, str]:
    return describe() | {
        "Python": f"CPython {version_of(python)}",
        "packages": f"{DJANGO}, {REDIS}; hiredis for those that require it".replace("==", " "),
        "server": f"{server.name}, loopback TCP, no persistence",
        "pinning": str(cores),
        "rounds": f"{options.rounds}, of {options.jobs:,} jobs a measure; fewer where a drain "
        "would take minutes",
    }
