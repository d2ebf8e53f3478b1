"""What a queued job and a kept finished one cost in the server's memory, all indexes included."""

import time

from benchmarks.bench import Bench
from benchmarks.measures.filling import fill
from benchmarks.record import require_each_once
from benchmarks.request import Values
from benchmarks.watching import POLL
from benchmarks.worker import working
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State

KEPT = 10_000  # finished jobs that are kept by default, and so what is looked at


def measure(bench: Bench) -> Values:
    """Measure the growth of used_memory per job: while they wait, and when they have succeeded."""
    return {"queued_bytes": _queued(bench), "kept_bytes": _kept(bench)}


def _queued(bench: Bench) -> float:
    engine, jobs = bench.empty(), bench.request.memory_jobs
    fill(range(1))  # loads the script and makes the keys that there is one of
    before = _used(engine)
    fill(range(1, jobs + 1))
    return (_used(engine) - before) / jobs


def _kept(bench: Bench) -> float:
    engine, jobs = bench.empty(), min(bench.request.memory_jobs, KEPT - 1)
    with working(bench, bench.client_cores) as worker:
        fill(range(1))
        worker.wait_for(1)
        before = _used(engine)
        fill(range(1, jobs + 1))
        worker.wait_for(jobs + 1)
        _wait_until_kept(bench, engine, jobs + 1)
        grown = _used(engine) - before
    require_each_once(bench.record.starts(), range(jobs + 1))
    return grown / jobs


def _wait_until_kept(bench: Bench, engine: Engine, jobs: int) -> None:
    deadline = time.monotonic() + bench.request.patience
    while (kept := engine.inspector.count(State.SUCCEEDED)) != jobs:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{kept} of {jobs} finished jobs are kept.")
        time.sleep(POLL)


def _used(engine: Engine) -> int:
    return int(engine.client.redis.info("memory")["used_memory"])
