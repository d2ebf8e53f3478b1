"""Many queue names: what a drain, an idle worker and the start of a job cost then.

Some names are busy, some are paused with work, and the others are only known: half of them hold
a job for later, half a cancelled one.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.bench import Bench
from benchmarks.measures.drain import run_all
from benchmarks.measures.filling import fill, fill_evenly
from benchmarks.measures.latency import latencies, percentiles
from benchmarks.processes import cpu_seconds
from benchmarks.record import rate, require_each_once
from benchmarks.request import Values
from benchmarks.tasks import noop
from benchmarks.watching import Worker
from benchmarks.worker import require_logged, working
from django_jobqueue.engine import Engine

MOST_BUSY = 200
MOST_PAUSED = 1000
LATER = timedelta(days=1)
TOLD = 1000  # ends taken by a call


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a size, by what is in them."""

    busy: list[str]
    paused: list[str]
    known: list[str]

    @classmethod
    def of(cls, size: int) -> "Names":
        every = [f"name-{number}" for number in range(size)]
        busy = min(MOST_BUSY, (size + 1) // 2)
        paused = min(MOST_PAUSED, size // 4)
        return cls(every[:busy], every[busy : busy + paused], every[busy + paused :])

    @property
    def open(self) -> list[str]:
        return self.busy + self.known


def measure(bench: Bench) -> Values:
    """Drain jobs of many names and of one, and watch the worker idle and start among many."""
    names, jobs = Names.of(bench.request.names), bench.request.jobs
    alone_first = bench.request.round % 2
    alone = _alone(bench, jobs) if alone_first else 0.0
    engine = bench.empty()
    _introduce(engine, names)
    fill_evenly(range(1, jobs + 1), names.busy)
    with working(bench, bench.client_cores) as worker:
        worker.wait_for(jobs)
        starts = bench.record.starts()
        require_each_once(starts, range(1, jobs + 1))
        require_logged(worker, jobs - 1)  # the last one's line may follow
        values = _idle(engine, worker, bench.request.idle)
        values |= percentiles(latencies(bench, worker, _drawn(bench, names.open)))
    alone = alone or _alone(bench, jobs)
    return values | {"names_drain": rate(starts), "names_ratio": rate(starts) / alone}


def _alone(bench: Bench, jobs: int) -> float:
    engine = bench.empty()
    fill(range(1, jobs + 1))
    return run_all(bench, engine, jobs, bench.client_cores).rate


def _introduce(engine: Engine, names: Names) -> None:
    for place, name in enumerate(names.known):
        later = noop.using(queue_name=name, run_after=LATER).enqueue(0, "two")
        if place % 2:
            later.cancel()
    for name in names.paused:
        engine.queues.pause(name)
        noop.using(queue_name=name).enqueue(0, "two")
    while engine.queues.pop_ended(TOLD):
        pass  # else the worker would tell of the cancelled ones beside the drain


def _idle(engine: Engine, worker: Worker, seconds: float) -> Values:
    """Return what worker and server use per second while there is nothing to run."""
    before, began = _usage(engine, worker), time.monotonic()
    time.sleep(seconds)
    after, lasted = _usage(engine, worker), time.monotonic() - began
    worker_cpu, server_cpu, commands = (
        (end - start) / lasted for start, end in zip(before, after, strict=True)
    )
    return {
        "idle_worker": worker_cpu * 100,
        "idle_server": server_cpu * 100,
        "idle_commands": commands,
    }


def _usage(engine: Engine, worker: Worker) -> tuple[float, float, float]:
    """Return CPU seconds of worker and server, and commands, so far."""
    cpu = engine.client.redis.info("cpu")
    return (
        cpu_seconds(worker.process.pid),
        cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        engine.client.redis.info("stats")["total_commands_processed"],
    )


def _drawn(bench: Bench, names: Sequence[str]) -> list[str]:
    return random.Random(bench.request.round).choices(names, k=bench.request.samples)
