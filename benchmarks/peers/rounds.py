"""Round by round: each measure once a round, with each queue in turn."""

from benchmarks.asking import tell
from benchmarks.cores import Cores
from benchmarks.machine import busy, describe
from benchmarks.options import Options
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.environments import Environment, Unavailable, interpreter, prepare
from benchmarks.peers.peer import MEASURES, Peer
from benchmarks.peers.turn import take
from benchmarks.results import Results, Taken, Writer
from benchmarks.rounds import in_turn
from benchmarks.servers import binary, running


def measure(options: Options, cores: Cores) -> Results:
    """Measure all queues that can be installed."""
    python = interpreter(options.python)
    program = binary(options.server)
    with running(options.server, program, tcp=True, cores=cores) as server:
        about = describe() | {
            "interpreter of the queues": python,
            "server": f"{server.name}, loopback TCP, no persistence",
            "pinning": str(cores),
            "rounds": f"{options.rounds}, of {options.jobs:,} jobs a measure; fewer where a drain "
            "would take minutes",
        }
        writer = Writer(options.file, Results(options.section, about))
        here = _installed(options, python, server.name, writer)
        for number in range(options.rounds):
            for name in MEASURES:
                for peer in in_turn([p for p in here if name in p.measures], number):
                    tell(f"round {number + 1}: {name} {peer.label}")
                    others = busy()
                    answer = take(peer, here[peer], name, server.url, options, cores)
                    writer.add(
                        Taken(
                            column=peer.label,
                            measure=name,
                            round=number,
                            server=server.name,
                            busy=others,
                            **answer,
                        )
                    )
    return writer.results


def _installed(
    options: Options, python: str, server: str, writer: Writer
) -> dict[Peer, Environment]:
    """Return the queues with their environments; note those that can't be had."""
    here = {}
    for peer in PEERS.values():
        if options.only and peer.name not in options.only:
            continue
        try:
            here[peer] = prepare(peer, python)
        except Unavailable as error:
            writer.add(
                Taken(
                    column=peer.label,
                    measure="installation",
                    round=0,
                    server=server,
                    busy=None,
                    cannot=str(error),
                )
            )
    return here
