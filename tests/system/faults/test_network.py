"""What workers do on a network that loses, delays or cuts."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.locate import BEST_EFFORT_TIMEOUTS
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.states import State
from tests.project import fault_tasks
from tests.support.processes import PATIENCE, PROMPT, WorkerProcess, until
from tests.support.proxy import FaultProxy

from .conftest import Oracle, open_for, until_final

Start = Callable[..., WorkerProcess]
LEASE = 2.0  # seconds


def test_a_worker_alone_in_a_black_hole_keeps_its_job(
    worker_process: Start, engine: Engine, proxy: FaultProxy, oracle: Oracle, gate: Path
) -> None:
    """The job ends while the worker is cut off for longer than the lease: it ran once."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker_process("--processes", "2", TEST_REDIS_URL=proxy.url, TEST_LEASE=str(LEASE))
    oracle.until_started(1)
    proxy.black_hole()
    cut = time.monotonic()
    gate.touch()
    until(lambda: oracle.ends().total())
    until(lambda: time.monotonic() - cut > 1.5 * LEASE)
    proxy.pass_on()
    back = time.monotonic()
    later = fault_tasks.work.enqueue(oracle.path)

    jobs = until_final(engine, [held, later])

    print(f"resumed {time.monotonic() - back:.1f} s after the network")  # noqa: T201
    assert oracle.starts() == {held.id: 1, later.id: 1}
    assert {(job.state, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 0)}
    assert "stale" not in engine.inspector.totals()


def test_a_worker_in_a_black_hole_loses_its_job_to_another(
    worker_process: Start, engine: Engine, proxy: FaultProxy, oracle: Oracle, gate: Path
) -> None:
    """The job runs once more, counted as a recovery; what the first run comes to is refused."""
    lost = worker_process("--processes", "1", TEST_REDIS_URL=proxy.url, TEST_LEASE=str(LEASE))
    lost.until_ready()
    until(lambda: len(engine.inspector.workers()) == 1)
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    oracle.until_started(1)
    other = worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    until(lambda: len(engine.inspector.workers()) == 2)
    proxy.black_hole()
    oracle.until_started(2)
    proxy.pass_on()
    open_for(oracle.pid(held.id), gate)  # the first run ends while the second is under way
    until(lambda: engine.inspector.totals().get("stale") == 1, what="the late end is refused")
    assert engine.inspector.job(held.id).state is State.RUNNING
    gate.touch()

    (job,) = until_final(engine, [held])

    assert (job.state, job.recoveries, job.attempts) == (State.SUCCEEDED, 1, 1)
    assert [run.outcome for run in engine.inspector.job(job.id).runs] == ["recovered", "succeeded"]
    assert oracle.starts() == {held.id: 2}
    until(lambda: "The lease was lost" in lost.output())
    other.kill_all()
    until_final(engine, [fault_tasks.work.enqueue(oracle.path)])  # by the first


def test_leases_survive_a_slow_network(
    worker_process: Start, engine: Engine, proxy: FaultProxy, oracle: Oracle, gate: Path
) -> None:
    """A call takes a second; renewals are in time all the same, and nobody reaps."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    for _ in range(2):
        worker_process("--processes", "1", TEST_REDIS_URL=proxy.url, TEST_LEASE="6")
    oracle.until_started(1)
    proxy.delay(0.5)
    began = time.monotonic()
    later = fault_tasks.work.enqueue(oracle.path)
    until(lambda: time.monotonic() - began > 8)
    gate.touch()

    jobs = until_final(engine, [held, later])

    assert oracle.starts() == {held.id: 1, later.id: 1}
    assert {(job.state, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 0)}


def test_connections_that_are_reset_again_and_again(
    worker_process: Start,
    engine: Engine,
    proxy: FaultProxy,
    oracle: Oracle,
) -> None:
    """Every 50 ms, sixty and more, while jobs flow: each job runs once."""
    worker_process("--processes", "2", TEST_REDIS_URL=proxy.url).until_ready(2)
    results: list[Any] = []

    def enough() -> bool:
        results.extend(fault_tasks.work.enqueue_many([(oracle.path,)] * 10))
        time.sleep(0.05)  # whatever the workers do meanwhile
        until(lambda: proxy.connections)  # they wait longer after each failure
        proxy.reset()
        return proxy.counts["reset"] > 60

    until(enough, 3 * PATIENCE)

    jobs = until_final(engine, results)

    assert oracle.starts() == dict.fromkeys([job.id for job in jobs], 1)
    assert {(job.state, job.attempts, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 1, 0)}


def test_a_server_that_refuses_connections(
    worker_process: Start, engine: Engine, proxy: FaultProxy, oracle: Oracle
) -> None:
    """The worker waits, and resumes by itself."""
    worker = worker_process("--processes", "2", TEST_REDIS_URL=proxy.url).until_ready(2)
    until(lambda: engine.inspector.workers())
    proxy.refuse()
    results = fault_tasks.work.enqueue_many([(oracle.path,)] * 10)
    until(lambda: worker.output().count("Trying again") >= 2)
    proxy.pass_on()
    back = time.monotonic()
    oracle.until_started(1)
    resumed = time.monotonic() - back
    print(f"resumed {resumed:.2f} s after the network")  # noqa: T201
    assert resumed < PROMPT
    assert {job.state for job in until_final(engine, results)} == {State.SUCCEEDED}


def test_threads_wait_for_one_time_out_together(engine: Engine, proxy: FaultProxy) -> None:
    """Behind a cut cable each caller is told as soon as if it was alone."""
    options = replace(engine.options, url=proxy.url)
    quick = BEST_EFFORT_TIMEOUTS | {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    far = Engine(Client("default", options, timeouts=quick))
    far.queues.names()
    far.client.close()
    far.client.detach()
    proxy.black_hole()
    start, told = threading.Barrier(10), list[float]()

    def ask() -> None:
        start.wait()
        began = time.monotonic()
        with pytest.raises(QueueUnavailable, match="Timeout"):
            far.queues.names()
        told.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.pass_on()

    assert len(told) == 10
    assert max(told) < 5.0  # ten time-outs, one after the other, take 10 s
    assert far.queues.names() == ["default"]
    far.client.close()


def test_a_stop_in_a_black_hole_does_not_wait_for_each_process(
    worker_process: Start, engine: Engine, proxy: FaultProxy
) -> None:
    """All are idle and end at once; a call that asks whether one held a job fails after 3 s."""
    number = 12
    worker = worker_process("--processes", str(number), TEST_REDIS_URL=proxy.url)
    client = engine.client.redis
    until(lambda: client.info("clients")["blocked_clients"] == number, what="all are idle")
    proxy.black_hole()
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < number * 3 * 0.75
