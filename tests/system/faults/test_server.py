"""What workers do when the server is killed, emptied, full, deaf or tidied up."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.states import State
from tests.project import fault_tasks
from tests.support.places import score
from tests.support.processes import PATIENCE, PROMPT, WorkerProcess, alive, until
from tests.support.servers import TcpServer

from .conftest import Oracle, until_final

Start = Callable[..., WorkerProcess]
LEASE = 2.0  # seconds


@pytest.fixture
def deaf_server(server: TcpServer) -> Iterator[Callable[[float], None]]:
    """Let the server answer nothing for some seconds; then it sees all that was sent at once."""

    def be_deaf(seconds: float) -> None:
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(server.pid, signal.SIGCONT)

    yield be_deaf
    if server.running:
        os.kill(server.pid, signal.SIGCONT)


def test_a_killed_server_comes_back_with_its_jobs(
    worker_process: Start, engine: Engine, server: TcpServer, oracle: Oracle, gate: Path
) -> None:
    """A job that runs goes on, the others are still there, the worker resumes by itself."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "2")
    oracle.until_started(1)
    waiting = fault_tasks.work.enqueue_many([(oracle.path,)] * 100)
    server.kill()
    ended_before = oracle.ends().total()
    until(lambda: "Trying again" in worker.output())

    server.start()

    back = time.monotonic()
    if ended_before < 100:
        until(lambda: oracle.ends().total() > ended_before)
    resumed = time.monotonic() - back
    print(f"resumed {resumed:.2f} s after the server was back")  # noqa: T201
    assert resumed < PROMPT
    gate.touch()
    jobs = until_final(engine, [held, *waiting])
    assert oracle.starts() == dict.fromkeys([job.id for job in jobs], 1)
    assert {(job.state, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 0)}


def test_a_server_away_for_three_leases_costs_no_run(
    worker_process: Start, engine: Engine, server: TcpServer, oracle: Oracle, gate: Path
) -> None:
    """Two workers: neither takes back what the other could not renew."""
    held = [fault_tasks.hold.enqueue(oracle.path, str(gate)) for _ in range(2)]
    workers = [worker_process("--processes", "1", TEST_LEASE=str(LEASE)) for _ in range(2)]
    oracle.until_started(2)
    until(lambda: len(engine.inspector.workers()) == 2)
    slots = [pid for worker in workers for pid in worker.slots()]
    server.kill()
    time.sleep(3 * LEASE)
    server.start()
    back = time.monotonic()

    def renewed() -> bool:
        ends = [score(engine, "leases", job.id) or 0 for job in held]
        return min(ends) > time.time() * 1000

    until(renewed, what="both leases are renewed")
    resumed = time.monotonic() - back
    print(f"renewed {resumed:.2f} s after the server was back")  # noqa: T201
    assert resumed < PROMPT
    until(lambda: time.monotonic() - back > 1.5 * LEASE)  # the reapers have looked meanwhile
    gate.touch()

    jobs = until_final(engine, held)

    assert oracle.starts() == {job.id: 1 for job in jobs}
    assert {(job.state, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 0)}
    assert all(alive(pid) for pid in slots)


def restart_empty(server: TcpServer) -> None:
    server.kill()
    server.empty()
    server.start()


def flush(server: TcpServer) -> None:
    server.client.flushall()


@pytest.mark.parametrize("empty", [restart_empty, flush])
def test_an_emptied_server_is_noticed_and_served(
    worker_process: Start,
    engine: Engine,
    server: TcpServer,
    oracle: Oracle,
    gate: Path,
    empty: Callable[[TcpServer], None],
) -> None:
    """The lost job's run is refused, the log says what happened, new jobs run."""
    lost = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker = worker_process("--processes", "2", "--queues", "default,mail")
    oracle.until_started(1)

    empty(server)

    new = fault_tasks.work.using(queue_name="mail").enqueue(oracle.path)

    gate.touch()
    (job,) = until_final(engine, [new])
    assert (job.state, job.recoveries) == (State.SUCCEEDED, 0)
    until(lambda: engine.inspector.totals().get("stale") == 1, what="the lost job's finish")
    until(lambda: loud_lines(worker, "emptied or replaced"), what="the log says so")
    assert worker.process.poll() is None
    assert oracle.starts() == {lost.id: 1, new.id: 1}


def loud_lines(worker: WorkerProcess, words: str) -> list[str]:
    """Return the lines of level ERROR and above that contain some words."""
    return [
        line
        for line in worker.output().splitlines()
        if words in line and (" ERROR " in line or " CRITICAL " in line)
    ]


def test_flushed_scripts_and_killed_clients_cost_nothing(
    worker_process: Start, engine: Engine, server: TcpServer, oracle: Oracle
) -> None:
    """SCRIPT FLUSH and CLIENT KILL again and again while jobs flow: each runs once."""
    worker_process("--processes", "2").until_ready(2)
    results: list[Any] = []
    killed = []

    def enough() -> bool:
        results.extend(fault_tasks.work.enqueue_many([(oracle.path, 0.001)] * 10))
        server.client.script_flush()
        time.sleep(0.05)  # whatever the workers do meanwhile
        killed.append(server.client.execute_command("CLIENT", "KILL", "TYPE", "normal"))
        return sum(map(int, killed)) > 60

    until(enough, 3 * PATIENCE)

    jobs = until_final(engine, results)

    print(f"{sum(map(int, killed))} connections killed, {len(jobs)} jobs")  # noqa: T201
    assert oracle.starts() == dict.fromkeys([job.id for job in jobs], 1)
    assert {(job.state, job.attempts, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 1, 0)}


def test_a_full_server_refuses_new_jobs_alone(
    worker_process: Start, engine: Engine, server: TcpServer, oracle: Oracle, gate: Path
) -> None:
    """A running job is renewed and ends, a lost one is taken back; with room again all goes on."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    oracle.until_started(1)
    orphan = fault_tasks.work.enqueue(oracle.path)
    claim_and_vanish(engine)
    server.client.config_set("maxmemory", "1")
    try:
        full = time.monotonic()
        with pytest.raises(QueueUnavailable, match="full"):
            fault_tasks.work.enqueue(oracle.path)
        until(lambda: engine.inspector.job(orphan.id).recoveries == 1, what="the reaper works")
        until(lambda: time.monotonic() - full > 1.5 * LEASE)
        gate.touch()
        until(lambda: engine.inspector.job(held.id).state is State.SUCCEEDED, what="finish works")
    finally:
        server.client.config_set("maxmemory", "0")
    later = fault_tasks.work.enqueue(oracle.path)

    until_final(engine, [held, orphan, later])

    assert oracle.starts() == {held.id: 1, orphan.id: 1, later.id: 1}
    assert engine.inspector.job(held.id).recoveries == 0


def claim_and_vanish(engine: Engine) -> None:
    """Claim the next job as a worker that is never seen again."""
    names = {"worker": "gone", "slot": "0.0", "nonce": "0" * 16}
    engine.client.run("claim", ["default"], lease=100, **names)


def test_a_deaf_server_starts_no_storm(
    worker_process: Start,
    engine: Engine,
    deaf_server: Callable[[float], None],
    oracle: Oracle,
    gate: Path,
) -> None:
    """After a silence longer than the lease all renew before anybody reaps."""
    held = [fault_tasks.hold.enqueue(oracle.path, str(gate)) for _ in range(4)]
    workers = [worker_process("--processes", "2", TEST_LEASE=str(LEASE)) for _ in range(2)]
    oracle.until_started(4)
    until(lambda: len(engine.inspector.workers()) == 2)

    deaf_server(1.5 * LEASE)

    back = time.monotonic()
    until(lambda: time.monotonic() - back > 1.5 * LEASE)  # the reapers have looked meanwhile
    gate.touch()
    jobs = until_final(engine, held)
    assert oracle.starts() == {job.id: 1 for job in jobs}
    assert {(job.state, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 0)}
    assert all("lost the lease" not in worker.output() for worker in workers)
