"""Older and newer code on the same keys: a minor schema number only adds.

The worker is this version. Records of a newer one have what it does not know, those of an older
one lack what it may not rely on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.keys import SCHEMA
from django_jobqueue.jobs.states import State
from tests.project import tasks
from tests.support.clock import Clock
from tests.support.places import REAP, RETRIED, claimed, finish, record
from tests.support.processes import WorkerProcess, lines, until

Start = Callable[..., WorkerProcess]
NEWER: dict[Any, Any] = {"colour": "blue", "zone": "b"}
# What a job's record has beyond its state, queue, task, run and fence is optional.
OPTIONAL = (
    "attempted_at",
    "attempts",
    "enqueued_at",
    "held_since",
    "score",
    "recoveries",
    "started_at",
    "worker",
)


def make_newer(engine: Engine, job_id: str) -> None:
    """Add to a job what a version to come may store."""
    client: Any = engine.client.redis
    keys = engine.client.keys
    client.hset(keys("job", job_id), mapping=NEWER)
    runs = client.lrange(keys("attempts", job_id), 0, -1)
    for number, run in enumerate(runs):
        head, newline, rest = run.partition(b"\n")
        client.lset(keys("attempts", job_id), number, head + b" more words" + newline + rest)


@pytest.fixture
def newer(engine: Engine) -> None:
    """Let the keys look as if a newer version had been here first."""
    client, keys = engine.client.redis, engine.client.keys
    major, minor = SCHEMA.split(".")
    client.hset(keys("meta"), mapping={"schema": f"{major}.{int(minor) + 7}", "shade": "grey"})
    client.zadd(keys("workers"), {"newer": 9e12})
    client.hset(keys("worker", "newer"), mapping={"host": "h", "pid": "1", "mood": "fine"})


@pytest.mark.usefixtures("newer")
def test_older_worker_meets_newer_records(
    worker_process: Start, engine: Engine, clock: Clock, slot: Slot, tmp_path: Path
) -> None:
    """It runs them, reads their history, and leaves alone what it does not know."""
    oracle = str(tmp_path / "oracle")
    retried = tasks.attempt_of.using(max_attempts=3).enqueue(extra="again")
    job = claimed(engine, slot)
    finish(engine, slot, job, RETRIED._replace(delay_ms=0, traceback="Traceback: it broke\n"))
    fresh = tasks.write.enqueue(oracle, "fresh")
    for result in (retried, fresh):
        make_newer(engine, result.id)

    worker = worker_process("--processes", "1", "--burst")
    assert worker.wait() == 0

    for result in (retried, fresh):
        result.refresh()
        assert result.state is State.SUCCEEDED
        assert NEWER.items() <= record(engine, result.id).items()
    assert retried.return_value == [2, retried.id, "again"]
    assert [error.traceback for error in retried.errors] == ["Traceback: it broke\n"]
    assert [line.split()[0] for line in lines(Path(oracle))] == ["fresh"]
    meta: dict[Any, Any] = engine.client.redis.hgetall(engine.client.keys("meta"))
    assert (meta[b"shade"], meta[b"schema"]) == (b"grey", b"1.7")
    assert "newer" in {one.id for one in engine.inspector.workers()}


@pytest.mark.usefixtures("newer")
def test_older_worker_recovers_a_newer_ones_job(
    worker_process: Start, engine: Engine, slot: Slot, make_job: Callable[..., str]
) -> None:
    """Its slot's record has a word more; renewal and recovery find the job all the same."""
    job_id = make_job()
    job = claimed(engine, slot)
    make_newer(engine, job_id)
    slots = engine.client.keys("slots", slot.worker)
    held: Any = engine.client.redis.hget(slots, slot.name)
    engine.client.redis.hset(slots, slot.name, held + b" furtherword")

    (found,) = engine.leases.renew(slot.worker, {"pid": 1}).held
    assert (found.id, found.fence, found.lost) == (job_id, job.fence, False)
    moved = engine.leases.release_slot(slot, lost=True, reason="killed_9")
    assert moved == [job_id, "queued"]
    worker_process("--processes", "1", "--burst").wait()
    assert engine.inspector.job(job_id).state is State.SUCCEEDED


def test_newer_worker_meets_older_records(
    worker_process: Start, engine: Engine, clock: Clock, slot: Slot, make_job: Callable[..., str]
) -> None:
    """What is missing has its default: queued, scheduled, running and lost jobs end well."""
    client, keys = engine.client.redis, engine.client.keys
    running = make_job()
    job = claimed(engine, slot)
    lost = make_job()
    claimed(engine, Slot("older", "0.0"))
    queued, scheduled = make_job(), make_job(due=1)
    for job_id in (running, lost, queued, scheduled):
        client.hdel(keys("job", job_id), *OPTIONAL)
    client.hset(keys("meta"), "schema", "1.0")
    clock.move(20)
    assert not engine.leases.renew(slot.worker, {"pid": 1}).held[0].lost
    clock.move(15)

    assert engine.queues.reap(**REAP).states == {lost: "queued"}
    assert finish(engine, slot, job) == "ok"
    worker = worker_process("--processes", "1", "--burst")
    assert worker.wait() == 0

    until(lambda: all(engine.inspector.job(i).state.is_final for i in (lost, queued, scheduled)))
    for job_id in (running, lost, queued, scheduled):
        assert engine.inspector.job(job_id).state is State.SUCCEEDED
    assert engine.inspector.job(lost).recoveries == 1
    assert client.hget(keys("meta"), "schema") == b"1.0"
