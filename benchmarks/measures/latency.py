"""How soon an idle worker starts a job."""

import time
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.bench import Bench
from benchmarks.record import require_each_once
from benchmarks.request import Values
from benchmarks.tasks import noop
from benchmarks.watching import Worker
from benchmarks.worker import working

PACE = 0.01  # seconds between two jobs: an idle slot runs one and blocks again
FIRST = 1_000_000_000  # number of the first job, apart from those that were run before


def measure(bench: Bench) -> Values:
    """Measure from the call of enqueue() to the first line of the task, one job at a time."""
    bench.empty()
    with working(bench, bench.client_cores) as worker:
        noop.enqueue(0, "two")
        worker.wait_for(1)
        return percentiles(latencies(bench, worker, ["default"] * bench.request.samples))


def latencies(bench: Bench, worker: Worker, queues: Sequence[str]) -> list[float]:
    """Enqueue a job to each queue in turn, and return the ms to its start, sorted."""
    bench.record.clear()
    called = dict(enumerate(_calls(queues), FIRST))
    worker.wait_for(len(called))
    starts = bench.record.starts()
    require_each_once(starts, called)
    return sorted((start.at_ns - called[start.number]) / 1e6 for start in starts)


def percentiles(found: Sequence[float]) -> Values:
    return {"latency_p50": median(found), "latency_p99": found[int(0.99 * len(found))]}


def _calls(queues: Sequence[str]) -> Iterator[int]:
    """Yield when each job was enqueued, in ns; looking for its start would disturb the worker."""
    for number, queue in enumerate(queues, FIRST):
        task = noop.using(queue_name=queue)
        time.sleep(PACE)
        yield time.monotonic_ns()
        task.enqueue(number, "two")
