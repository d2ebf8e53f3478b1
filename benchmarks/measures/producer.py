"""What a process that enqueues can do, and what the server spends on it."""

import time
from collections.abc import Callable
from statistics import median

from django.db import transaction

from benchmarks.bench import Bench, LongestCall, scripts
from benchmarks.measures.filling import BATCH
from benchmarks.request import Values
from benchmarks.tasks import noop
from django_jobqueue.engine import Engine

WARM_UP = 100  # calls before the clock starts: connection, script cache, code paths
TOGETHER = 10  # jobs of a small transaction

WATCHED = 20  # calls of enqueue_many whose scripts are looked at one by one


def raw(bench: Bench) -> Values:
    """Measure EVALSHA of `return 1` with one key, on the producer's own client."""
    engine = bench.empty()
    rate = raw_rate(bench, engine)
    seen = scripts(engine)
    return {"raw": rate, "raw_usec": seen.usec / seen.calls}


def enqueue(bench: Bench) -> Values:
    """Measure one call per job, in autocommit."""
    engine = bench.empty()

    def take() -> Values:
        rate = enqueue_rate(engine, bench.request.jobs)
        return {"enqueue": rate, "enqueue_usec": scripts(engine).usec / bench.request.jobs}

    return beside_raw(bench, take, {"enqueue_ratio": "enqueue"})


def enqueue_rate(engine: Engine, jobs: int) -> float:
    """Return jobs per second, one call each, in autocommit."""
    return _rate(engine, jobs, lambda: noop.enqueue(1, "two"))


def enqueue_many(bench: Bench) -> Values:
    """Measure calls of 500 jobs, and the longest script of one."""
    engine = bench.empty()
    calls = [(number, "two") for number in range(BATCH)]
    times = max(1, 4 * bench.request.jobs // BATCH)

    def take() -> Values:
        rate = BATCH * _rate(engine, times, lambda: noop.enqueue_many(calls), warm_up=1)
        return {"many": rate, "many_usec": scripts(engine).usec / (times * BATCH)}

    values = beside_raw(bench, take, {"many_ratio": "many"})
    with LongestCall(engine) as longest:
        for _ in range(min(times, WATCHED)):
            noop.enqueue_many(calls)
    return values | {"many_longest": longest.ms}


def transactions(bench: Bench) -> Values:
    """Measure jobs that are enqueued in transactions, their commits included."""
    engine, jobs = bench.empty(), bench.request.jobs

    def commit(size: int) -> None:
        with transaction.atomic():
            for _ in range(size):
                noop.enqueue(1, "two")

    times = max(1, jobs // TOGETHER)
    ten = TOGETHER * _rate(engine, times, lambda: commit(TOGETHER), warm_up=10)
    return {"ten": ten, "transaction": jobs * _rate(engine, 1, lambda: commit(jobs), warm_up=1)}


def beside_raw(bench: Bench, take: Callable[[], Values], ratios: dict[str, str]) -> Values:
    """Take values, and those of `ratios` also as multiples of the raw rate before and after."""
    engine = bench.empty()
    rates = [raw_rate(bench, engine)]
    values = take()
    rates.append(raw_rate(bench, engine))
    found = {name: values[key] / median(rates) for name, key in ratios.items()}
    return values | found


def raw_rate(bench: Bench, engine: Engine) -> float:
    """Return raw round trips per second."""
    return _rate(engine, bench.request.jobs, raw_call(engine))


def raw_call(engine: Engine) -> Callable[[], object]:
    client = engine.client.redis
    sha, key = client.script_load("return 1"), engine.client.keys("raw")
    return lambda: client.evalsha(sha, 1, key)


def _rate(engine: Engine, times: int, call: Callable[[], object], warm_up: int = WARM_UP) -> float:
    for _ in range(warm_up):
        call()
    engine.client.redis.config_resetstat()
    began = time.perf_counter()
    for _ in range(times):
        call()
    return times / (time.perf_counter() - began)
