"""get_cached: the latest value of a task, and whether it is being refreshed, in one look."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import DONE, FAILED, Make, claimed, everything, finish, full_memory

KEPT = DONE._replace(value=b'{"n":1}', cache="d 0")


def refreshing(engine: Engine, make_job: Make) -> str:
    """Store a job that refreshes the value "d"."""
    job = new_job(new_id(), "default", "tests.project.tasks.noop", b"x")
    assert engine.cached_results.refresh("d", job, seen="", keep=0)
    return job.id


def test_unknown_digest_has_no_value(engine: Engine) -> None:
    """There is the time, and nothing else; the look leaves nothing behind."""
    before = everything(engine)

    kept = engine.cached_results.latest("d")

    assert kept.now > 1_700_000_000_000
    assert kept[1:] == (None, 0, "", False)
    assert everything(engine) == before


def test_value_comes_with_the_servers_time(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """What the run returned, byte for byte; when it ended; what time it is now."""
    make_job()
    _, ended, _ = engine.claims.finish(slot, claimed(engine, slot), KEPT, [])
    clock.move(90)

    kept = engine.cached_results.latest("d")

    assert (kept.value, kept.at) == (b'{"n":1}', ended)
    assert 90_000 <= kept.now - kept.at < 91_000
    assert (kept.refresh, kept.is_refreshing) == ("", False)


def test_each_digest_has_its_value(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Other arguments, other values."""
    for digest in "ab":
        make_job()
        settled = DONE._replace(value=f'"{digest}"'.encode(), cache=f"{digest} 0")
        finish(engine, slot, claimed(engine, slot), settled)

    assert [engine.cached_results.latest(digest).value for digest in "abc"] == [
        b'"a"',
        b'"b"',
        None,
    ]


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SCHEDULED, State.WAITING])
def test_refresh_is_under_way_until_it_is_final(
    engine: Engine, slot: Slot, make_job: Make, state: State
) -> None:
    """In whatever state it waits, runs, or waits to run again."""
    job_id = refreshing(engine, make_job)
    if state is State.RUNNING:
        claimed(engine, slot)
    elif state is not State.QUEUED:
        client, keys = engine.client.redis, engine.client.keys
        client.zrem(keys("queued", "default"), job_id)
        client.zadd(keys(state.value, "default"), {job_id: 4e12})
        client.hset(keys("job", job_id), "state", state.value)

    kept = engine.cached_results.latest("d")

    assert (kept.refresh, kept.is_refreshing) == (job_id, True)


@pytest.mark.parametrize("settled", [DONE, FAILED], ids=lambda settled: settled.outcome)
def test_refresh_that_is_final_or_gone_is_over(
    engine: Engine, slot: Slot, make_job: Make, settled: object
) -> None:
    """Its id stays, so that the next one who asks shows that he knows of it."""
    job_id = refreshing(engine, make_job)
    finish(engine, slot, claimed(engine, slot), settled)  # type: ignore[arg-type]
    assert engine.cached_results.latest("d")[3:] == (job_id, False)

    engine.jobs.delete(job_id)
    assert engine.cached_results.latest("d")[3:] == (job_id, False)


def test_key_of_another_type_has_no_value(engine: Engine) -> None:
    """Something else wrote there: the page that asks must not fail."""
    key = engine.client.keys("cached", "d")
    engine.client.redis.set(key, "nonsense")
    assert engine.cached_results.latest("d")[1:] == (None, 0, "", False)
    engine.client.redis.delete(key)


def test_value_without_a_time_is_none(engine: Engine) -> None:
    """A record that nobody can judge counts as missing."""
    key = engine.client.keys("cached", "d")
    for at in ("", "soon", b"\xff", "-5", "9" * 15, "9" * 400, "9" * 5_000):
        engine.client.redis.hset(key, mapping={"value": "1", "at": at})
        assert engine.cached_results.latest("d")[1:3] == (None, 0)


def test_looking_works_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """What is kept can be shown while nothing new can be stored."""
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT)
    with full_memory(engine):
        assert engine.cached_results.latest("d").value == b'{"n":1}'
