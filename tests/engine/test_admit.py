"""admit: what scripts that broke, and limits that were changed, have left of keys."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.places import Make, claimed, everything, finish, nothing, places

ONE = ("1w:k",)


def busy(engine: Engine, make_job: Make, many: int = 2, key: str = "k") -> list[str]:
    """Return the ids of a job that runs, and of others that wait for its key."""
    ids = [make_job(queue=key, limits=(f"1w:{key}",)) for _ in range(many)]
    claimed(engine, Slot("worker-1", f"{key}.0"), key)
    assert nothing(engine, Slot("worker-1", f"{key}.1"), key) == NoJob()
    return ids


def look(engine: Engine, clock: Clock, seconds: float = 1) -> int:
    clock.move(seconds)
    return engine.limits.admit()


def queued(engine: Engine) -> list[str]:
    return [one for ids in places(engine).get("queued", {}).values() for one in ids]


def test_full_key_admits_nobody(engine: Engine, clock: Clock, make_job: Make) -> None:
    busy(engine, make_job)
    assert look(engine, clock) == 1
    assert queued(engine) == []


def test_key_is_looked_at_once_a_second(engine: Engine, clock: Clock, make_job: Make) -> None:
    """However many workers do so."""
    busy(engine, make_job)
    assert engine.limits.admit() == 0
    assert look(engine, clock) == 1
    assert engine.limits.admit() == 0
    assert look(engine, clock) == 1


def test_place_without_a_lease_is_freed(engine: Engine, clock: Clock, make_job: Make) -> None:
    """Whatever took the lease away did not free it."""
    first, second = busy(engine, make_job)
    engine.client.redis.zadd(engine.client.keys("places", "k"), {"gone": 1, "lost": 2})
    job = engine.inspector.job(first)
    finish(engine, Slot("worker-1", "k.0"), job)
    assert queued(engine) == []
    look(engine, clock)
    assert queued(engine) == [second]


def test_admitted_jobs_get_time_to_start(engine: Engine, clock: Clock, make_job: Make) -> None:
    """All slots may be busy: the line of a key is not moved into its queue meanwhile."""
    _, *waiting = busy(engine, make_job, 6)
    for job_id in waiting[:2]:
        engine.client.redis.hset(engine.client.keys("job", job_id), "limits", "3w:k")
    assert look(engine, clock) == 1
    assert queued(engine) == waiting[:2]
    assert look(engine, clock) == 0
    assert look(engine, clock, 9) == 1
    assert queued(engine) == waiting[:2]


def test_key_without_waiting_jobs_is_forgotten(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    _, second = busy(engine, make_job)
    engine.jobs.cancel(second)
    assert look(engine, clock) == 1
    assert engine.client.redis.zcard(engine.client.keys("awaited")) == 0
    assert look(engine, clock) == 0


def test_so_many_keys_at_a_time(engine: Engine, clock: Clock, make_job: Make) -> None:
    """First those that nobody has looked at for longest."""
    for key in "abc":
        busy(engine, make_job, key=key)
        clock.move(0.01)
    clock.move(1)
    assert engine.limits.admit(2) == 2
    awaited = engine.client.redis.zrange(engine.client.keys("awaited"), 0, -1)
    assert awaited[0] == b"c"
    assert engine.limits.admit(2) == 1


def test_clock_that_went_back(engine: Engine, clock: Clock, make_job: Make) -> None:
    """The looks that were planned lie far ahead."""
    busy(engine, make_job)
    clock.move(-3600)
    assert engine.limits.admit() == 1
    assert look(engine, clock) == 1


def test_what_a_broken_script_left_is_taken_out(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """An id whose record has another state, or none, or another key."""
    client, keys = engine.client.redis, engine.client.keys
    busy(engine, make_job)
    elsewhere = busy(engine, make_job, key="z")[1]
    other = make_job(queue="o")
    client.zadd(keys("parked", "k"), {other: 1, "gone": 2, elsewhere: 3})
    client.zadd(keys("waiting", "o"), {other: 1})
    look(engine, clock)
    assert queued(engine) == [other]
    assert engine.inspector.job(elsewhere).state is State.WAITING


def test_wrong_number_is_refused(engine: Engine, make_job: Make) -> None:
    before = everything(engine)
    with pytest.raises(JobQueueError, match='limit is "x"; it must be a whole number'):
        engine.client.run("admit", limit="x")
    assert everything(engine) == before
