"""How fast a real worker runs a full queue of no-op jobs."""

from dataclasses import dataclass
from typing import Any

from benchmarks.bench import Bench, Scripts, scripts
from benchmarks.cores import Set
from benchmarks.measures.filling import fill
from benchmarks.measures.producer import beside_raw
from benchmarks.record import Start, cpu_usec, rate, require_each_once
from benchmarks.request import Values
from benchmarks.tasks import async_noop, noop
from benchmarks.worker import require_logged, working
from django_jobqueue.engine import Engine

THREADS = 8


@dataclass(frozen=True, slots=True)
class Drained:
    """The starts of all jobs, and the script calls that the worker made meanwhile."""

    starts: list[Start]
    scripts: Scripts

    @property
    def rate(self) -> float:
        return rate(self.starts)


def run_all(bench: Bench, engine: Engine, jobs: int, cores: Set, **slots: int) -> Drained:
    """Let a worker run the jobs 1 to `jobs`, which are queued; each ran once and was logged."""
    engine.client.redis.config_resetstat()
    with working(bench, cores, **slots) as worker:
        worker.wait_for(jobs)
        seen = scripts(engine)
    require_logged(worker, jobs)
    starts = bench.record.starts()
    require_each_once(starts, range(1, jobs + 1))
    return Drained(starts, seen)


def one_slot(bench: Bench) -> Values:
    """Measure a worker of one process with one thread."""
    jobs = bench.request.jobs

    def take() -> Values:
        drained = _drain(bench, jobs, bench.client_cores)
        return {
            "drain": drained.rate,
            "drain_usec": drained.scripts.usec / jobs,
            "drain_calls": drained.scripts.calls / jobs,
            "drain_cpu": cpu_usec(drained.starts),
        }

    return beside_raw(bench, take, {"drain_ratio": "drain"})


def two_processes(bench: Bench) -> Values:
    drained = _drain(bench, 2 * bench.request.jobs, bench.both_cores, processes=2)
    return {"drain_2": drained.rate}


def threads(bench: Bench) -> Values:
    drained = _drain(bench, bench.request.jobs, bench.client_cores, threads=THREADS)
    return {"threads": drained.rate}


def async_tasks(bench: Bench) -> Values:
    drained = _drain(bench, bench.request.jobs, bench.client_cores, task=async_noop)
    return {"async": drained.rate, "async_cpu": cpu_usec(drained.starts)}


def _drain(bench: Bench, jobs: int, cores: Set, task: Any = noop, **slots: int) -> Drained:
    engine = bench.empty()
    fill(range(1, jobs + 1), task=task)
    return run_all(bench, engine, jobs, cores, **slots)
