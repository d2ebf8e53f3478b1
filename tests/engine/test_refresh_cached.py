"""refresh_cached: of all who find a value stale, one stores the job that renews it."""

from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    RETRIED,
    Make,
    claimed,
    counted,
    everything,
    finish,
    full_memory,
    places,
    record,
    tokens,
)

TASK = "tests.project.tasks.noop"
KEPT = DONE._replace(value=b"1", cache="d 0")


def new(**given: Any) -> Job:
    fields: dict[str, Any] = {"id": new_id(), "queue": "default", "task": TASK, "payload": b"x"}
    return new_job(**fields | given)


def refresh(engine: Engine, job: Job, seen: str = "", keep: int = 0) -> int | None:
    return engine.cached_results.refresh("d", job, seen=seen, keep=keep)


def kept_fields(engine: Engine) -> Any:
    return engine.client.redis.hgetall(engine.client.keys("cached", "d"))


def test_missing_value_is_refreshed(engine: Engine) -> None:
    """The job is stored as by enqueue, counted and told; its id is noted under the digest."""
    job = new(priority=7, max_attempts=3)

    at = refresh(engine, job)

    assert places(engine) == {"queued": {"default": [job.id]}}
    assert record(engine, job.id) == {
        "state": "queued",
        "queue": "default",
        "task": TASK,
        "enqueued_at": str(at),
        "payload": "x",
        "max_attempts": "3",
        "priority": "7",
    }
    assert engine.inspector.job(job.id).payload == b"x"
    assert (counted(engine, "enqueued"), tokens(engine)) == (1, 1)
    assert engine.queues.names() == ["default"]
    assert kept_fields(engine) == {b"refresh": job.id.encode()}


def test_refresh_may_be_for_later(engine: Engine) -> None:
    """A task with run_after is stored as it says."""
    job = new(due=4_000_000_000_000)
    assert refresh(engine, job)
    assert places(engine) == {"scheduled": {"default": [job.id]}}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SCHEDULED])
def test_no_second_one_while_it_is_under_way(engine: Engine, slot: Slot, state: State) -> None:
    """Queued, running or waiting for its next attempt; not even for who knows its id."""
    job = new()
    refresh(engine, job)
    if state is not State.QUEUED:
        run = claimed(engine, slot)
        if state is State.SCHEDULED:
            finish(engine, slot, run, RETRIED)
    before = everything(engine)

    assert [refresh(engine, new(), seen=seen) for seen in ("", job.id)] == [None, None]
    assert everything(engine) == before


@pytest.mark.parametrize("settled", [KEPT, FAILED], ids=lambda settled: settled.outcome)
def test_next_one_follows_when_it_is_final(engine: Engine, slot: Slot, settled: Any) -> None:
    """Who has seen how the last one ended may store another, whatever came of it."""
    first, second = new(), new()
    refresh(engine, first)
    finish(engine, slot, claimed(engine, slot), settled)

    assert refresh(engine, second, seen=first.id)
    assert kept_fields(engine)[b"refresh"] == second.id.encode()


def test_who_looked_before_it_was_refreshed_stores_nothing(engine: Engine, slot: Slot) -> None:
    """A slow reader of the old value does not ask for what has been done since."""
    first = new()
    refresh(engine, first)
    finish(engine, slot, claimed(engine, slot), KEPT)
    before = everything(engine)

    assert refresh(engine, new(), seen="") is None
    assert everything(engine) == before


def test_deleted_refresh_does_not_block(engine: Engine) -> None:
    """An operator threw it away: the next reader stores another one."""
    first = new()
    refresh(engine, first)
    engine.jobs.delete(first.id)
    assert refresh(engine, new(), seen=first.id)


def test_same_call_again_is_one_job(engine: Engine, clock: Clock, slot: Slot) -> None:
    """A lost reply: when it was stored is told again, also after the job has run."""
    job = new()
    at = refresh(engine, job)
    clock.move(5)
    for _ in range(2):
        before = everything(engine)
        assert refresh(engine, job) == at
        assert everything(engine) == before
        if places(engine).get("queued"):
            finish(engine, slot, claimed(engine, slot), KEPT)


def test_value_stays_while_it_is_refreshed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The old value is shown until there is a new one."""
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT)
    job = new()
    refresh(engine, job)

    kept = engine.cached_results.latest("d")
    assert (kept.value, kept.refresh, kept.is_refreshing) == (b"1", job.id, True)


def test_what_is_kept_for_a_time_lives_as_long_from_its_refresh(engine: Engine) -> None:
    """The note of a refresh goes with the value; without a time it stays."""
    client, key = engine.client.redis, engine.client.keys("cached", "d")
    first, second = new(), new()
    refresh(engine, first, keep=0)
    assert client.ttl(key) == -1
    engine.jobs.delete(first.id)
    refresh(engine, second, seen=first.id, keep=600)
    assert 590 < client.ttl(key) <= 600


def test_key_of_another_type_is_replaced(engine: Engine) -> None:
    """Something else wrote there; it must not stop the refresh half done."""
    engine.client.redis.set(engine.client.keys("cached", "d"), "nonsense")
    job = new()
    assert refresh(engine, job)
    assert kept_fields(engine) == {b"refresh": job.id.encode()}


def test_refresh_is_refused_at_maxmemory(engine: Engine) -> None:
    """New work is turned away, and nothing has changed; not even a key of another type."""
    engine.client.redis.set(engine.client.keys("cached", "e"), "nonsense")
    before = everything(engine)
    with full_memory(engine):
        for digest in "de":
            with pytest.raises(QueueUnavailable, match="maxmemory"):
                engine.cached_results.refresh(digest, new(), seen="", keep=0)
    assert everything(engine) == before
    engine.client.redis.delete(engine.client.keys("cached", "e"))
