"""Many jobs that are due at the same instant: how late they start, and who has to wait for them."""

import time
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks.bench import Bench, LongestCall
from benchmarks.measures.filling import fill
from benchmarks.processes import resident
from benchmarks.record import require_each_once
from benchmarks.request import Values
from benchmarks.tasks import noop
from benchmarks.watching import Worker
from benchmarks.worker import working

PROCESSES = 2
WARM_UP = 20  # jobs after which both processes are up and have run something
TRIAL = 2000  # jobs by which it is known how long it takes to enqueue them all
PAUSE = 0.02  # seconds between two calls of the producer meanwhile
SLOW = 1000  # µs; shorter scripts are not looked at one by one


def measure(bench: Bench) -> Values:
    """Enqueue jobs for one instant to come, and watch a worker run them."""
    engine, jobs = bench.empty(), bench.request.due_jobs
    ahead = _ahead(min(jobs, TRIAL), jobs)
    with working(bench, bench.both_cores, processes=PROCESSES) as worker:
        fill(range(WARM_UP))
        worker.wait_for(WARM_UP)
        bench.record.clear()
        before = resident(worker.process.pid)
        due, due_ns = time.time() + ahead, time.monotonic_ns() + int(ahead * 1e9)
        fill(range(1, jobs + 1), run_after=datetime.fromtimestamp(due, UTC))
        _sleep_until(due_ns)
        with LongestCall(engine, SLOW) as longest:
            calls = _enqueue_meanwhile(worker, jobs)
        growth = resident(worker.process.pid) - before
    starts = bench.record.starts()
    require_each_once(starts, range(1, jobs + 1))
    return {
        "due_first": (starts[0].at_ns - due_ns) / 1e6,
        "due_last": (starts[-1].at_ns - due_ns) / 1e9,
        "due_longest": longest.ms,
        "due_enqueue_p50": median(calls),
        "due_enqueue_p99": calls[int(0.99 * len(calls))],
        "due_growth": growth / 2**20,
    }


def _ahead(trial: int, jobs: int) -> float:
    """Return in how many seconds the jobs will surely have been enqueued."""
    began = time.perf_counter()
    fill(range(trial), run_after=timedelta(days=1), queue="trial")
    return 2 + 2 * (time.perf_counter() - began) * jobs / trial


def _sleep_until(due_ns: int) -> None:
    left = (due_ns - time.monotonic_ns()) / 1e9
    if left < 0:
        raise RuntimeError(f"The jobs were enqueued {-left:.1f} s after they were due.")
    time.sleep(left)


def _enqueue_meanwhile(worker: Worker, jobs: int) -> list[float]:
    """Enqueue elsewhere now and then until all have started; return ms of each call, sorted."""
    aside, found = noop.using(queue_name="aside", run_after=timedelta(days=1)), []

    def enqueue() -> None:
        began = time.perf_counter()
        aside.enqueue(1, "two")
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)

    enqueue()
    worker.wait_for(jobs, enqueue)
    return sorted(found)
