"""What becomes of jobs whose processes stop, are stopped or die."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobqueue import Task
from django_jobqueue.engine import Engine
from django_jobqueue.engine.scripts import standard
from django_jobqueue.jobs.states import State
from tests.project import fault_tasks, limited_tasks
from tests.support.processes import PROMPT, WorkerProcess, lines, until
from tests.support.proxy import FaultProxy
from tests.support.servers import TcpServer

from .conftest import Oracle, open_for, until_final

Start = Callable[..., WorkerProcess]
LEASE = 2.0  # seconds


def test_a_frozen_process_keeps_its_lease(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path
) -> None:
    """Its supervisor renews: frozen for longer than the lease, the job still runs once."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    for _ in range(2):
        worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    oracle.until_started(1)
    until(lambda: len(engine.inspector.workers()) == 2)
    os.kill(oracle.pid(held.id), signal.SIGSTOP)
    time.sleep(2 * LEASE)
    os.kill(oracle.pid(held.id), signal.SIGCONT)
    gate.touch()

    (job,) = until_final(engine, [held])

    assert (job.state, job.recoveries, oracle.starts()) == (State.SUCCEEDED, 0, {held.id: 1})
    assert "stale" not in engine.inspector.totals()


def test_a_frozen_worker_loses_its_job_to_another(
    worker_process: Start, engine: Engine, oracle: Oracle, gate: Path
) -> None:
    """Supervisor and process frozen: the job runs again, and the late end is refused."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    frozen = worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    oracle.until_started(1)
    worker_process("--processes", "1", TEST_LEASE=str(LEASE))
    until(lambda: len(engine.inspector.workers()) == 2)
    frozen.signal_all(signal.SIGSTOP)
    oracle.until_started(2)
    frozen.signal_all(signal.SIGCONT)
    open_for(oracle.pid(held.id), gate)  # the first run ends while the second is under way
    until(lambda: engine.inspector.totals().get("stale") == 1, what="the late end is refused")
    assert engine.inspector.job(held.id).state is State.RUNNING
    gate.touch()

    (job,) = until_final(engine, [held])

    assert (job.state, job.recoveries, job.attempts) == (State.SUCCEEDED, 1, 1)
    assert oracle.starts() == {held.id: 1 + job.recoveries}
    assert "The lease was lost" in frozen.output()
    until_final(engine, fault_tasks.work.enqueue_many([(oracle.path,)] * 10))


@pytest.mark.parametrize("killed", ["by somebody", "for its time"])
def test_a_process_that_dies_without_redis_is_replaced_when_it_is_back(
    worker_process: Start, engine: Engine, server: TcpServer, oracle: Oracle, killed: str
) -> None:
    """Its end is told once, and waited out in peace."""
    result = limited_tasks.ignore.enqueue(oracle.path)
    worker = worker_process("--processes", "2", TEST_LEASE=str(LEASE)).until_ready(2)
    until(lambda: lines(Path(oracle.path)), what="the job has started")
    server.kill()
    until(lambda: "Running jobs run on" in worker.output())
    if killed == "by somebody":
        os.kill(worker.slots()[0], signal.SIGKILL)
        os.kill(worker.slots()[-1], signal.SIGKILL)
    until(lambda: "ended: " in worker.output())
    used, began = cpu_time(worker.pid), time.monotonic()
    until(lambda: time.monotonic() - began > 3)
    assert cpu_time(worker.pid) - used < 1
    assert worker.output().count("ended: ") == 2 - len(worker.slots())
    server.start()
    (job,) = until_final(engine, [result])
    assert job.reason == "timed_out"
    worker.until_ready(2)


def cpu_time(pid: int) -> float:
    """Return the seconds that a process has computed so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_a_storm_of_stops_costs_nothing(
    worker_process: Start, engine: Engine, oracle: Oracle
) -> None:
    """Ten workers come and go at random while 300 jobs flow: each job runs once."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    results = [*fault_tasks.work.enqueue_many([(oracle.path, 0.02)] * 200)]
    workers: list[WorkerProcess] = []
    asked: set[WorkerProcess] = set()  # to stop; a second signal would end running jobs
    while len(workers) < 10:
        workers.append(worker_process("--processes", "1", "--threads", chance.choice("12")))
        time.sleep(chance.uniform(0, 0.8))
        results += fault_tasks.work.enqueue_many([(oracle.path, 0.02)] * 10)
        up = [worker for worker in workers if worker.output() and worker not in asked]
        if len(workers) - len(asked) > 2 and up:
            asked.add(victim := chance.choice(up))
            chance.choice((victim.signal, victim.signal_all))(signal.SIGTERM)  # by hand, by systemd

    jobs = until_final(engine, results)

    assert len(jobs) == 300
    assert oracle.starts() == dict.fromkeys([job.id for job in jobs], 1)
    assert {(job.state, job.attempts, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 1, 0)}
    for worker in workers:
        code = worker.wait() if worker in asked else worker.stop()
        # One that was still starting may end by the signal itself: it has claimed nothing.
        assert code == 0 or "Started" not in worker.output()
    assert engine.inspector.workers() == []


def hold_claims(engine: Engine, proxy: FaultProxy, many: int) -> None:
    """Hold back the next claims on their way to the server."""
    script = standard().all["claim"]
    engine.client.redis.script_load(script.source)
    proxy.hold_requests(many, script.sha.encode())


def test_claim_that_arrives_after_its_process_died_costs_no_lease(
    worker_process: Start, engine: Engine, proxy: FaultProxy, oracle: Oracle
) -> None:
    """Its supervisor found nothing to give back; the successor of the process runs the job."""
    hold_claims(engine, proxy, 2)
    worker = worker_process("--processes", "1", TEST_REDIS_URL=proxy.url)
    until(lambda: proxy.counts["held"] == 1, what="the process claims")
    result = fault_tasks.work.enqueue(oracle.path)
    os.kill(worker.slots()[0], signal.SIGKILL)
    until(lambda: proxy.counts["held"] == 2, what="its successor claims")
    assert engine.inspector.job(result.id).state is State.QUEUED
    proxy.let_go()
    until(lambda: engine.inspector.job(result.id).state is State.RUNNING)
    assert oracle.starts() == {}
    began = time.monotonic()
    proxy.pass_on()
    oracle.until_started(1)
    took = time.monotonic() - began

    (job,) = until_final(engine, [result])

    assert took < PROMPT
    assert (job.state, job.attempts, job.recoveries) == (State.SUCCEEDED, 1, 1)
    runs = engine.inspector.job(job.id).runs
    assert [run.outcome for run in runs] == ["recovered", "succeeded"]
    assert oracle.starts() == {job.id: 1}


def test_claim_that_arrives_after_its_successor_began_changes_nothing(
    worker_process: Start, engine: Engine, proxy: FaultProxy, oracle: Oracle, gate: Path
) -> None:
    """The successor's job keeps its lease, and no other is taken for the dead process."""
    hold_claims(engine, proxy, 1)
    worker = worker_process("--processes", "1", TEST_REDIS_URL=proxy.url, TEST_LEASE=str(LEASE))
    until(lambda: proxy.counts["held"] == 1, what="the process claims")
    os.kill(worker.slots()[0], signal.SIGKILL)
    held, waits = fault_tasks.hold.enqueue_many([(oracle.path, str(gate))] * 2)
    oracle.until_started(1)
    connections = proxy.connections
    proxy.let_go()
    until(lambda: proxy.connections < connections, what="the dead process' claim is through")

    def lease() -> float:
        leases = engine.client.keys("leases", "default")
        return engine.client.redis.zscore(leases, held.id) or 0

    end = lease()
    until(lambda: lease() > end + 1000 * LEASE, what="it is renewed more than once")
    assert engine.inspector.job(waits.id).state is State.QUEUED
    gate.touch()

    jobs = until_final(engine, [held, waits])

    assert {(job.state, job.attempts, job.recoveries) for job in jobs} == {(State.SUCCEEDED, 1, 0)}
    assert oracle.starts() == {job.id: 1 for job in jobs}


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (fault_tasks.segfault, f"killed_{signal.SIGSEGV:d}"),
        (fault_tasks.run_out_of_memory, f"killed_{signal.SIGABRT:d}"),
    ],
)
def test_a_job_that_crashes_its_process_harms_no_other(
    worker_process: Start,
    engine: Engine,
    oracle: Oracle,
    gate: Path,
    poison: "Task[[str], None]",
    reason: str,
) -> None:
    """Three runs, then it has failed with the signal as reason."""
    held = fault_tasks.hold.enqueue(oracle.path, str(gate))
    worker_process("--processes", "2")
    oracle.until_started(1)
    bad = poison.enqueue(oracle.path)
    others = fault_tasks.work.enqueue_many([(oracle.path,)] * 20)

    jobs = until_final(engine, [bad, *others])
    gate.touch()

    job = engine.inspector.job(bad.id)
    assert (job.state, job.reason, job.recoveries) == (State.FAILED, reason, 3)
    assert [run.outcome for run in job.runs] == ["recovered"] * 3
    others_done = [*jobs[1:], *until_final(engine, [held])]
    assert {(job.state, job.recoveries) for job in others_done} == {(State.SUCCEEDED, 0)}
    assert oracle.starts() == {bad.id: 3} | {job.id: 1 for job in others_done}
