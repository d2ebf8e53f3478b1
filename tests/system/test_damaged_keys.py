"""Bytes that no client wrote stand in Redis: what worker, scheduler and commands make of them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_jobqueue.engine import Engine
from tests.project import tasks
from tests.support.processes import PATIENCE, SchedulerProcess, WorkerProcess, until

Start = Callable[..., WorkerProcess]
PLACES = ("queued", "scheduled", "leases")  # the indexes of jobs that are not final


def test_odd_names_stop_no_worker(worker_process: Start, damaged: Engine) -> None:
    """An odd id leaves its index as a damaged job, also in a queue of such a name."""
    client, keys = damaged.client.redis, damaged.client.keys
    client.zadd(keys("names"), {b"\xff": 0, b"": 0, b"default": 0})
    placed = {
        (index, queue): f"{index}-{queue}-".encode() + b"\xff"
        for index in PLACES
        for queue in ("default", r"\xff")
    }
    for (index, queue), member in placed.items():
        client.zadd(keys(index, queue), {member: -1, b"": -1})
    worker = worker_process("--processes", "1", TEST_LEASE="2")
    for (index, queue), member in placed.items():
        until(partial(_is_empty, client, keys(index, queue)), what=f"{index}\n{worker.output()}")
        assert client.zscore(keys("failed", queue), member) is not None
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    assert worker.stop() == 0


def test_odd_note_of_a_slot_stops_no_worker(worker_process: Start, damaged: Engine) -> None:
    """Its slots work on, and their renewals go on."""
    worker = worker_process("--processes", "1", TEST_LEASE="2").until_ready()
    (known,) = until(damaged.inspector.workers)
    client, slots = damaged.client.redis, damaged.client.keys("slots", known.id)
    for value in (b"\xff", b"a b \xff", b"a b c \xff", b"a default \xff \xff"):
        client.hset(slots, mapping={"0.0": value, b"\xff": value})
        seen = damaged.inspector.workers()[0].seen_at
        until(partial(_is_seen_since, damaged, seen))
        assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    assert worker.stop() == 0


def _is_empty(client: Any, key: str | bytes) -> bool:
    return not client.exists(key)


def _is_seen_since(engine: Engine, ms: int) -> bool:
    return engine.inspector.workers()[0].seen_at > ms


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["schema", "epoch", "owner"])
def test_odd_words_of_the_handshake_are_told(damaged: Engine, field: str) -> None:
    """The commands say what is wrong; a new epoch is as good as another."""
    damaged.client.redis.hset(damaged.client.keys("meta"), field, b"\xff")
    if field == "epoch":
        call_command("jobqueue", "re-sign", verbosity=0)
        return
    with pytest.raises(CommandError, match=r"\\xff"):
        call_command("jobqueue", "re-sign", verbosity=0)


@pytest.mark.parametrize("kind", ["worker", "scheduler"])
def test_odd_schema_is_told_at_the_start(
    request: pytest.FixtureRequest, damaged: Engine, kind: str
) -> None:
    """In one line, without a traceback."""
    start: Callable[[], WorkerProcess | SchedulerProcess]
    start = request.getfixturevalue(f"{kind}_process")
    damaged.client.redis.hset(damaged.client.keys("meta"), "schema", b"\xff")
    process = start()
    assert process.wait() == 1
    assert r"have schema \xff" in process.output()
    assert "Traceback" not in process.output()
