"""Where a client's time goes: waiting or computing, and in which functions."""

import cProfile
import multiprocessing
import os
import pstats
import time
from collections.abc import Callable
from functools import partial

from benchmarks.bench import Bench, scripts
from benchmarks.measures.filling import BATCH, fill
from benchmarks.measures.producer import raw_call
from benchmarks.tasks import noop
from django_jobqueue.engine import Engine, new_engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.locate import BEST_EFFORT_TIMEOUTS, worker_timeouts
from django_jobqueue.worker.executor import Executor
from django_jobqueue.worker.limits.shared_state import SharedState
from django_jobqueue.worker.process import backend_class
from django_jobqueue.worker.slot_loop import BLOCK, SlotLoop, StopFlag

TOP = 25
SORTINGS = ("tottime", "cumulative")
PASSES = 3  # without the profiler; the fastest counts


def show(bench: Bench) -> None:
    """Print the profile of one measure, taken in this process."""
    os.environ.update(bench.record.variables())
    what, engine, jobs = bench.request.measure, bench.empty(), bench.request.jobs
    make = {"enqueue": _enqueue, "enqueue_many": _enqueue_many, "drain": _drain}[what]
    for name, made in (("raw round trip", partial(_raw, engine)), (what, make)):
        made(100)()  # warm up
        passes = (_split(engine, made(jobs), jobs) for _ in range(PASSES))
        here, server, between = min(passes, key=sum)
        print(
            f"{name}: {here:.1f} µs in this process, {server:.1f} in the server, "
            f"{between:.1f} between them"
        )
    print(f"\n(per job, over {jobs:,} jobs and without the profiler, which distorts)\n")
    profiler = cProfile.Profile()
    profiler.runcall(make(jobs))
    statistics = pstats.Stats(profiler).strip_dirs()
    for sorting in SORTINGS:
        statistics.sort_stats(sorting).print_stats(TOP)


def _split(engine: Engine, work: Callable[[], None], jobs: int) -> tuple[float, float, float]:
    """Return µs per job: computing here, scripts in the server, and all else."""
    engine.client.redis.config_resetstat()
    began, cpu = time.perf_counter(), time.process_time()
    work()
    cpu_usec = (time.process_time() - cpu) / jobs * 1e6
    all_usec = (time.perf_counter() - began) / jobs * 1e6
    server_usec = scripts(engine).usec / jobs
    return cpu_usec, server_usec, all_usec - cpu_usec - server_usec


def _raw(engine: Engine, jobs: int) -> Callable[[], None]:
    call = raw_call(engine)

    def work() -> None:
        for _ in range(jobs):
            call()

    return work


def _enqueue(jobs: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(jobs):
            noop.enqueue(1, "two")

    return work


def _enqueue_many(jobs: int) -> Callable[[], None]:
    calls = [(number, "two") for number in range(BATCH)]

    def work() -> None:
        for _ in range(0, jobs, BATCH):
            noop.enqueue_many(calls)

    return work


def _drain(jobs: int) -> Callable[[], None]:
    """Return the loop of one slot, as a worker's process runs it, on a queue of so many jobs."""
    fill(range(jobs))
    engine = new_engine("default", worker_timeouts(BLOCK))
    engine.client.attach()
    loop = SlotLoop(
        engine,
        Executor("default", engine.options, engine.signer, backend_class("default")),
        Slot("profile", "0.0"),
        None,
        StopFlag(),
        SharedState(multiprocessing, ["0.0"]).slot("0.0"),
        burst=True,
        reports=new_engine("default", BEST_EFFORT_TIMEOUTS).jobs,
    )
    return loop.run
