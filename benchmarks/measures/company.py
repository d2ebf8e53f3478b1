"""What a queue loses by its company: other queues, scheduled jobs, a paused queue."""

from collections.abc import Callable
from datetime import timedelta

from benchmarks.bench import Bench
from benchmarks.measures.drain import run_all
from benchmarks.measures.filling import fill
from benchmarks.measures.producer import enqueue_rate
from benchmarks.request import Values
from django_jobqueue.engine import Engine

QUEUES = 20
SCHEDULED = 10_000  # fewer if few jobs are measured, only to see whether the measure works
PAUSED = 100  # jobs of the paused queue
LATER = timedelta(days=1)


def measure(bench: Bench) -> Values:
    """Measure drain and enqueue beside company, relative to the same alone."""
    return {
        "company_drain": _relative(bench, _drain),
        "company_enqueue": _relative(bench, _enqueue),
    }


def _relative(bench: Bench, take: Callable[[Bench, bool], float]) -> float:
    """Return a rate in company as a multiple of the rate alone; the rounds take turns in order."""
    order = [False, True] if bench.request.round % 2 else [True, False]
    rates = {crowded: take(bench, crowded) for crowded in order}
    return rates[True] / rates[False]


def _drain(bench: Bench, crowded: bool) -> float:
    engine = bench.empty()
    if crowded:
        _come(engine, min(SCHEDULED, 20 * bench.request.jobs))
    fill(range(1, bench.request.jobs + 1))
    return run_all(bench, engine, bench.request.jobs, bench.client_cores).rate


def _enqueue(bench: Bench, crowded: bool) -> float:
    engine = bench.empty()
    if crowded:
        _come(engine, min(SCHEDULED, 20 * bench.request.jobs))
    return enqueue_rate(engine, bench.request.jobs)


def _come(engine: Engine, scheduled: int) -> None:
    for number in range(QUEUES):
        fill(range(scheduled // QUEUES), queue=f"other-{number}", run_after=LATER)
    engine.queues.pause("paused")
    fill(range(PAUSED), queue="paused")
