"""A worker is told to be quiet, to stop, and to tell where its slots are."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.remote_control import Word
from django_jobqueue.engine.workers import WorkerStats
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.processes import PATIENCE, WorkerProcess, alive, started, until

Start = Callable[..., WorkerProcess]


def worker_of(engine: Engine) -> WorkerStats:
    (found,) = until(engine.inspector.workers)
    return found


def tell(engine: Engine, word: Word) -> str:
    worker = worker_of(engine).id
    assert engine.remote_control.tell(worker, word)
    return worker


def stacks(engine: Engine) -> dict[str, str | None]:
    worker = tell(engine, Word.STACKS)
    found: dict[str, str | None] | None = until(lambda: engine.remote_control.stacks(worker))
    assert found is not None
    return found


def test_a_quiet_worker_ends_its_job_and_stays(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """It claims no more, keeps renewing, and stops as asked."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "2").until_ready(2)
    started(oracle)
    tell(engine, Word.QUIET)
    until(lambda: worker_of(engine).quiet)
    until(lambda: len(worker.slots()) == 1)
    left = tasks.noop.enqueue()
    gate.touch()
    assert held.wait(PATIENCE) == "held"
    until(lambda: not worker.slots())
    seen = worker_of(engine).seen_at
    tell(engine, Word.QUIET)
    until(lambda: worker_of(engine).seen_at > seen)
    assert engine.inspector.job(left.id).state is State.QUEUED
    assert worker_of(engine).jobs == 1
    assert "ended:" not in worker.output()
    assert worker.stop() == 0


def test_a_worker_told_to_stop_lets_its_job_finish(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """However often it is told, and though it was quiet before."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "1")
    started(oracle)
    tell(engine, Word.QUIET)
    until(lambda: worker_of(engine).quiet)
    tell(engine, Word.STOP)
    until(lambda: worker_of(engine).stopping)
    tell(engine, Word.STOP)
    gate.touch()
    assert worker.wait() == 0
    assert held.wait(PATIENCE) == "held"
    assert held.recoveries == 0
    assert engine.inspector.workers() == []


@pytest.mark.parametrize("threads", ["1", "2"])
def test_it_tells_where_a_job_is(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path, threads: str
) -> None:
    """Of each slot its own thread, without values."""
    secret = str(gate)
    tasks.hold.enqueue(str(oracle), secret)
    worker_process("--processes", "1", "--threads", threads).until_ready()
    started(oracle)
    found = stacks(engine)
    assert len(found) == int(threads)
    (busy,) = [told for told in found.values() if told and "in hold" in told]
    assert busy.splitlines()[0].startswith('File "')
    assert "in execute" in busy
    assert secret not in busy
    for idle in found.values():
        if idle != busy:
            assert idle is not None
            assert "in claim_when_woken" in idle
    gate.touch()


def test_a_process_that_can_not_answer_says_nothing(
    worker_process: Start, engine: Engine, oracle: Path, gate: Path
) -> None:
    """A frozen one is as one in a call of the kernel. Afterwards it goes on."""
    held = tasks.hold.enqueue(str(oracle), str(gate))
    worker = worker_process("--processes", "1")
    started(oracle)
    (pid,) = worker.slots()
    os.kill(pid, signal.SIGSTOP)
    try:
        assert stacks(engine) == {"0.0": None}
    finally:
        os.kill(pid, signal.SIGCONT)
    found = stacks(engine)["0.0"]
    assert found is not None
    assert "in hold" in found
    assert alive(pid)
    gate.touch()
    assert held.wait(PATIENCE) == "held"


def test_words_that_nobody_knows_do_nothing(
    worker_process: Start, engine: Engine, oracle: Path
) -> None:
    """Whoever writes to Redis can only choose among those that there are."""
    worker: Any = worker_process("--processes", "1").until_ready()
    record = engine.client.keys("worker", worker_of(engine).id)
    engine.client.redis.hset(record, "told", "os.system")
    seen = worker_of(engine).seen_at
    engine.client.redis.set(engine.client.keys("renew_now", worker_of(engine).id), "1")
    until(lambda: worker_of(engine).seen_at > seen)
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    assert worker.stop() == 0
