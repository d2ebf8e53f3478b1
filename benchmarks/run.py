"""One run: measure or read, print, and write what was asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import pages, rounds
from benchmarks.asking import PATH, ROOT
from benchmarks.cores import Cores, choose, on
from benchmarks.options import Options
from benchmarks.peers import rounds as peer_rounds
from benchmarks.peers.environments import Unavailable
from benchmarks.report import report
from benchmarks.results import NotResults, Results, load
from benchmarks.servers import binary, running
from embedded.server import ServerNotFound

PROFILE = [sys.executable, "-m", "benchmarks.profiled"]


def run(options: Options) -> None:
    """Do what the command line asks for; exit with 1 if a measure failed."""
    try:
        if options.profile:
            _show_profile(options, choose(options.pin))
            return
        results = _results(options)
    except (ServerNotFound, NotResults, Unavailable) as error:
        sys.exit(str(error))
    print(report(results))
    if options.write_docs:
        _write_pages(results)
    if failures := list(_failures(results)):
        sys.exit(f"{len(failures)} measures failed: {failures[0]}")


def _write_pages(results: Results) -> None:
    try:
        pages.write(results)
    except pages.NoPlace as error:
        sys.exit(str(error))


def _failures(results: Results) -> Iterator[str]:
    """Yield what should not be; that names or other queues are too much for one is a finding."""
    for taken in results.taken:
        if why := taken.failed or (taken.cannot if results.section == "own" else ""):
            yield why


def _results(options: Options) -> Results:
    if options.read:
        return load(options.read)
    take = peer_rounds.measure if options.section == "peers" else rounds.measure
    results = take(options, choose(options.pin))
    print(f"All values: {options.file}", file=sys.stderr)
    return results


def _show_profile(options: Options, cores: Cores) -> None:
    request = rounds.request_of(options, cores, str(options.profile), 0)
    program = binary(options.server)
    with running(options.server, program, tcp=options.tcp, cores=cores) as server, on(cores.client):
        environment = os.environ | {"PYTHONPATH": PATH, "BENCHMARK_REDIS_URL": server.url}
        subprocess.run([*PROFILE, request.dump()], cwd=ROOT, env=environment, check=True)
