"""One run: all measures round by round, then the large ones, then the report."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import memory, producer, profile, report, scheduled, worker
from benchmarks.cores import Cores, choose, on
from benchmarks.figures import Round
from benchmarks.machine import busy, describe
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.servers import Server, binaries, memory_binary, running, use
from embedded.server import ServerNotFound


@dataclass(slots=True)
class Bench:
    """One server and what was measured on it."""

    binary: Path
    server: Server
    options: Options
    cores: Cores
    rounds: list[Round] = field(default_factory=list)

    def round(self) -> None:
        """Take each measure once, and the raw round trip before and after each."""
        raw: list[float] = []
        usec: list[float] = []
        values: Round = {}
        for measure in self._measures():
            self._raw(raw, usec)
            values |= measure()
        self._raw(raw, usec)
        self.rounds.append(values | {"raw": median(raw), "raw_usec": median(usec)})

    def _measures(self) -> list[Callable[[], Round]]:
        return [
            self._enqueue,
            self._drain_1,
            self._drain_2,
            self._many,
            self._in_transaction,
            self._latency,
        ]

    def _raw(self, rates: list[float], usec: list[float]) -> None:
        engine = use(self.server)
        rates.append(producer.raw(engine, self.options.jobs))
        usec.append(producer.script_calls(engine).usec_per_call)

    def _enqueue(self) -> Round:
        engine = use(self.server)
        rate = producer.enqueue(engine, self.options.jobs)
        return {"enqueue": rate, "enqueue_usec": producer.script_calls(engine).usec_per_call}

    def _drain_1(self) -> Round:
        found = worker.drain(use(self.server), self.options.jobs, 1, self.cores.client)
        return {
            "drain_1": found.rate,
            "drain_usec": found.scripts.usec_per_call,
            "drain_calls": found.calls_per_job,
        }

    def _drain_2(self) -> Round:
        jobs = 2 * self.options.jobs
        return {"drain_2": worker.drain(use(self.server), jobs, 2, self.cores.both).rate}

    def _many(self) -> Round:
        return {"enqueue_many": producer.enqueue_many(use(self.server), 4 * self.options.jobs)}

    def _in_transaction(self) -> Round:
        return {"transaction": producer.in_transaction(use(self.server), self.options.jobs)}

    def _latency(self) -> Round:
        found = worker.latencies(use(self.server), self.options.samples, self.cores.client)
        return {"latency_p50": median(found), "latency_p99": found[int(0.99 * len(found))]}


def run(options: Options) -> None:
    """Measure, print, and write the file that was asked for."""
    try:
        _run(options, choose(options.pin))
    except ServerNotFound as error:
        sys.exit(str(error))


def _run(options: Options, cores: Cores) -> None:
    with ExitStack() as stack:
        benches = []
        for binary in binaries(options.server):
            server = stack.enter_context(running(binary, tcp=options.tcp, cores=cores))
            benches.append(Bench(binary, server, options, cores))
        with on(cores.client):
            if options.profile:
                profile.show(options.profile, use(benches[0].server), options.jobs)
                return
            reports = _measure(benches)
    report.show(reports, options)


def _measure(benches: list[Bench]) -> list[Report]:
    in_use = []
    for number in range(benches[0].options.rounds):
        for bench in benches:
            report.tell(f"round {number + 1} on {bench.server.name}")
            in_use.append(busy())
            bench.round()
    return [_report(bench, [share for share in in_use if share is not None]) for bench in benches]


def _report(bench: Bench, in_use: list[float]) -> Report:
    options = bench.options
    return Report(
        server=bench.server.name,
        about=describe(use(bench.server)),
        socket="loopback TCP" if options.tcp else "Unix socket",
        pinning=str(bench.cores),
        in_use=in_use,
        rounds=bench.rounds,
        scheduled=_scheduled(bench) if options.scheduled_jobs > 0 else None,
        memory=_memory(bench) if options.memory_jobs > 0 else None,
    )


def _scheduled(bench: Bench) -> scheduled.Scheduled:
    jobs = bench.options.scheduled_jobs
    report.tell(f"{jobs:,} jobs due at one instant on {bench.server.name}")
    return scheduled.measure(use(bench.server), jobs, bench.cores.both)


def _memory(bench: Bench) -> memory.Memory:
    options = bench.options
    binary = memory_binary(bench.binary, options.server)
    report.tell(f"memory of {options.memory_jobs:,} jobs")
    with running(binary, tcp=options.tcp, cores=bench.cores) as server:
        return memory.measure(use(server), server.name, options.memory_jobs)
