"""admit: what scripts that broke, and limits that were changed, have left of keys."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.exceptions import JobQueueError
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.places import Make, claimed, everything, finish, full_memory, nothing, places

ONE = ("1w:k",)
HINTS = ("work", "due")


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


@pytest.mark.parametrize("is_lost", [True, False])
@pytest.mark.parametrize("state", list(State))
def test_job_in_a_line_is_put_into_the_index_of_its_state(
    engine: Engine, clock: Clock, job_in: Make, state: State, *, is_lost: bool
) -> None:
    """A script that broke has left it nowhere else; or it has, and there it stays."""
    client, keys = engine.client.redis, engine.client.keys
    fair = "f" if state is State.QUEUED else ""
    job_id = job_in(state, queue="o", priority=-100, fair=fair)
    before, hints = places(engine), {kind: client.zrange(keys(kind), 0, -1) for kind in HINTS}
    index = "leases" if state is State.RUNNING else str(state)
    place = client.zscore(keys(index, "o"), job_id)
    client.hset(keys("job", job_id), "score", int(place or 0))
    if state is not State.WAITING:
        client.hset(keys("job", job_id), "parked", "k")
    if is_lost:
        client.delete(keys(index, "o"), *map(keys, HINTS))
    client.zadd(keys("parked", "k"), {job_id: 1})
    client.zadd(keys("awaited"), {"k": 1})
    assert look(engine, clock) == 1
    assert places(engine) == before
    assert {kind: client.zrange(keys(kind), 0, -1) for kind in HINTS} == hints
    assert not client.exists(keys("parked", "k"))
    if not is_lost or state in (State.QUEUED, State.WAITING):
        assert client.zscore(keys(index, "o"), job_id) == place
    client.hdel(keys("job", job_id), "parked")


@pytest.mark.parametrize("line", ["its own", "lost", "of another type"])
def test_job_in_a_line_that_waits_for_another_key_is_put_there(
    engine: Engine, clock: Clock, make_job: Make, line: str
) -> None:
    """With the place that it has there, or had in its queue."""
    client, keys = engine.client.redis, engine.client.keys
    second = busy(engine, make_job, key="z")[1]
    place = client.zscore(keys("parked", "z"), second)
    client.hset(keys("job", second), "score", 10**15 + 77)
    client.delete(keys("waiting", "z"))
    if line != "its own":
        client.delete(keys("parked", "z"))
    if line == "of another type":
        client.set(keys("parked", "z"), "x")
    client.zadd(keys("parked", "k"), {second: 1})
    client.zadd(keys("awaited"), {"k": 1})
    look(engine, clock)
    wanted = place if line == "its own" else 10**15 + 77
    assert client.zscore(keys("parked", "z"), second) == wanted
    assert client.zscore(keys("waiting", "z"), second) == wanted
    assert not client.exists(keys("parked", "k"))


def test_job_in_a_line_that_another_key_has_admitted_is_queued(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """It does not wait there again."""
    client, keys = engine.client.redis, engine.client.keys
    first, second = busy(engine, make_job, key="z")
    finish(engine, Slot("worker-1", "z.0"), engine.inspector.job(first))
    assert queued(engine) == [second]
    client.delete(keys("queued", "z"))
    client.zadd(keys("parked", "k"), {second: 1})
    client.zadd(keys("awaited"), {"k": 1})
    look(engine, clock)
    assert queued(engine) == [second]
    assert places(engine).get("waiting") is None


@pytest.mark.parametrize("state", ["queue", "unknown", None])
def test_job_in_a_line_without_a_known_state_is_taken_out(
    engine: Engine, clock: Clock, make_job: Make, state: str | None
) -> None:
    """There is no index that it belongs to; maintenance of its queue finds the record."""
    client, keys = engine.client.redis, engine.client.keys
    job_id = make_job(queue="o")
    client.hdel(keys("job", job_id), "state")
    if state:
        client.hset(keys("job", job_id), "state", state)
    client.zadd(keys("parked", "k"), {job_id: 1})
    client.zadd(keys("awaited"), {"k": 1})
    look(engine, clock)
    assert not client.exists(keys("parked", "k"))
    assert not client.exists(keys(state or "", "o"))
    client.hset(keys("job", job_id), "state", "queued")


@pytest.mark.parametrize("state", ["queued", "waiting"])
def test_record_without_a_queue_is_taken_out_of_a_line(
    engine: Engine, make_job: Make, state: str
) -> None:
    """The jobs behind it do not wait for it."""
    client, keys = engine.client.redis, engine.client.keys
    first, second = busy(engine, make_job)
    client.hset(keys("job", "lost"), mapping={"state": state, "parked": "k"})
    client.zadd(keys("parked", "k"), {"lost": 1})
    finish(engine, Slot("worker-1", "k.0"), engine.inspector.job(first))
    assert queued(engine) == [second]
    client.delete(keys("job", "lost"))


def test_waiting_job_without_limits_is_admitted(engine: Engine, make_job: Make) -> None:
    """Its record lost them: nothing holds it."""
    first, second = busy(engine, make_job)
    engine.client.redis.hdel(engine.client.keys("job", second), "limits")
    finish(engine, Slot("worker-1", "k.0"), engine.inspector.job(first))
    assert queued(engine) == [second]


def test_job_that_a_broken_script_has_admitted_counts(engine: Engine, make_job: Make) -> None:
    """It stands in its queue already, and in the line still; one has room."""
    client, keys = engine.client.redis, engine.client.keys
    first, second, third = busy(engine, make_job, 3)
    client.zrem(keys("waiting", "k"), second)
    client.hset(keys("job", second), "state", "queued")
    client.zadd(keys("queued", "k"), {second: 10**15 + 2})
    client.zadd(keys("work"), {"k": 1})
    finish(engine, Slot("worker-1", "k.0"), engine.inspector.job(first))
    assert queued(engine) == [second]
    assert engine.inspector.job(third).state is State.WAITING


def test_job_that_runs_is_no_admitted_one(engine: Engine, clock: Clock, make_job: Make) -> None:
    """It has its place already; a broken claim has left it in the line."""
    client, keys = engine.client.redis, engine.client.keys
    first, second = busy(engine, make_job)
    for job_id in (first, second):
        client.hset(keys("job", job_id), mapping={"limits": "2w:k", "parked": "k"})
    client.zadd(keys("parked", "k"), {first: 1})
    look(engine, clock)
    assert queued(engine) == [second]
    client.hdel(keys("job", first), "parked")


def test_key_is_looked_at_though_jobs_keep_coming(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """Each of them notes the key; the first note counts."""
    limits = ("1w:k",)
    ids = [make_job(queue="k", limits=limits) for _ in range(3)]
    claimed(engine, Slot("worker-1", "k.0"), "k")
    nothing(engine, Slot("worker-1", "k.1"), "k")
    clock.move(0.9)
    make_job(queue="k", limits=limits)
    assert engine.inspector.job(ids[1]).state is State.WAITING
    clock.move(0.1)
    assert engine.limits.admit() == 1


def test_list_of_keys_of_another_type_begins_anew(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    engine.client.redis.set(engine.client.keys("awaited"), "x")
    make_job(queue="z", limits=("1w:z",))
    slot = Slot("worker-1", "z.0")
    finish(engine, slot, claimed(engine, slot, "z"))
    busy(engine, make_job)
    assert engine.limits.admit() == 0
    assert look(engine, clock) == 1


def test_wrong_number_is_refused(engine: Engine, make_job: Make) -> None:
    before = everything(engine)
    with pytest.raises(JobQueueError, match='limit is "x"; it must be a whole number'):
        engine.client.run("admit", limit="x")
    assert everything(engine) == before


def test_full_server_admits(engine: Engine, clock: Clock, make_job: Make) -> None:
    first, second = busy(engine, make_job)
    engine.client.redis.zrem(engine.client.keys("leases", "k"), first)
    clock.move(1)
    with full_memory(engine):
        engine.limits.admit()
    assert queued(engine) == [second]
    engine.client.redis.zadd(engine.client.keys("leases", "k"), {first: 1})
    engine.client.redis.zadd(engine.client.keys("places", "k"), {first: 1})


def test_keys_of_another_type_stop_nobody(engine: Engine, clock: Clock, make_job: Make) -> None:
    """No script wrote them."""
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("awaited"), "x")
    assert look(engine, clock) == 0
    for kind in ("parked", "places", "older"):
        client.set(keys(kind, "k"), "x")
    for name in ("limits", "rates"):
        client.set(keys(name), "x")
    ids = [make_job(queue="k", limits=(word,)) for word in ("1o:k", "1w:k", "1w:k")]
    assert queued(engine) == []
    look(engine, clock)
    assert queued(engine) == ids[:1]
    engine.jobs.enqueue([engine.inspector.job(ids[0])])
    claimed(engine, Slot("worker-1", "0.0"), "k")
    make_job(queue="r", limits=("1r60000.1:r",))
    waits = make_job(queue="r", limits=("1r60000.1:r",))
    claimed(engine, Slot("worker-1", "1.0"), "r")
    assert nothing(engine, Slot("worker-1", "2.0"), "r").wait_ms is not None
    assert engine.inspector.job(waits).state is State.WAITING
    engine.limits.set_limits({"a.b": "1w"})
    engine.client.redis.set(keys("rates"), "x")
    clock.move(61)
    look(engine, clock)
    assert isinstance(engine.claims.claim(Slot("worker-1", "2.0"), ["r"]), Job)
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=False, reason="x")
    client.delete(keys("rates"))


def test_keys_of_another_type_keep_no_job(engine: Engine, make_job: Make) -> None:
    """One that ends, is cancelled or deleted leaves them as if it was not there."""
    client, keys = engine.client.redis, engine.client.keys
    first, second, third = busy(engine, make_job, 3)
    for kind in ("parked", "places", "older"):
        client.delete(keys(kind, "k"))
        client.set(keys(kind, "k"), "x")
    engine.jobs.cancel(second)
    engine.jobs.delete(third)
    finish(engine, Slot("worker-1", "k.0"), engine.inspector.job(first))
    assert places(engine) == {"succeeded": {"k": [first]}, "cancelled": {"k": [second]}}
    client.delete(*(keys(kind, "k") for kind in ("parked", "places", "older")))


def test_place_is_that_of_a_job_that_runs(engine: Engine, clock: Clock, make_job: Make) -> None:
    """By its record and by its lease; and a record without a queue has no lease."""
    client, keys = engine.client.redis, engine.client.keys
    first, second = busy(engine, make_job)
    other, idle = (make_job(queue="o", limits=("1w:z",)) for _ in range(2))
    client.hset(keys("job", other), "state", "running")
    client.hset(keys("job", "lost"), "state", "running")
    client.zadd(keys("leases", "o"), {idle: 10**15})
    client.zadd(keys("places", "k"), {other: 5, "lost": 6, idle: 7})
    look(engine, clock)
    found = client.zrange(keys("places", "k"), 0, -1)
    assert [job_id.decode() for job_id in found] == [first]
    client.hset(keys("job", other), "state", "queued")
    client.delete(keys("job", "lost"), keys("leases", "o"))
    assert engine.inspector.job(second).state is State.WAITING


def test_full_server_admits_to_a_free_key(engine: Engine, clock: Clock, make_job: Make) -> None:
    """Nothing is to be freed before, which a full server allows."""
    first, second = busy(engine, make_job)
    engine.client.redis.delete(engine.client.keys("places", "k"))
    clock.move(1)
    with full_memory(engine):
        engine.limits.admit()
    assert queued(engine) == [second]
    engine.client.redis.zadd(engine.client.keys("places", "k"), {first: 1})


def test_keys_of_a_clock_that_went_back_count_too(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """One call looks at so many keys, whatever their times say."""
    for key in "abc":
        busy(engine, make_job, key=key)
    clock.move(1)
    awaited = engine.client.keys("awaited")
    engine.client.redis.zadd(awaited, {"b": 10**15, "c": 10**15})
    assert [engine.limits.admit(limit=2), engine.limits.admit(limit=2)] == [2, 1]


@pytest.mark.parametrize("is_paused", [False, True])
def test_rest_of_a_long_line_is_admitted_at_once(
    engine: Engine, clock: Clock, make_job: Make, *, is_paused: bool
) -> None:
    """A call moves 50 jobs of a key, whether they count or not; the next one need not wait."""
    if is_paused:
        engine.queues.pause("default")
    rest = [make_job(limits=("99w:k",)) for _ in range(61)][1:]
    client, keys = engine.client.redis, engine.client.keys
    for score, job_id in enumerate(rest, 1):
        client.zrem(keys("queued", "default"), job_id)
        client.hset(keys("job", job_id), mapping={"state": "waiting", "parked": "k"})
        client.zadd(keys("waiting", "default"), {job_id: score})
        client.zadd(keys("parked", "k"), {job_id: score})
    client.zadd(keys("awaited"), {"k": 1})
    engine.limits.admit()
    assert len(queued(engine)) == 51
    engine.limits.admit()
    assert len(queued(engine)) == 61


def test_job_behind_one_that_nobody_serves_waits_ten_seconds_at_most(
    engine: Engine, make_job: Make, clock: Clock
) -> None:
    """The line of a key does not know which queues have workers."""
    slot, limits = Slot("worker-1", "0.0"), ("1w:k",)
    make_job(limits=limits)
    job = claimed(engine, slot)
    make_job(queue="unserved", limits=limits)
    nothing(engine, Slot("worker-2", "0.0"), "unserved")
    wanted = make_job(limits=limits)
    finish(engine, slot, job)
    nothing(engine, slot)
    clock.move(seconds=10)
    engine.limits.admit()
    assert claimed(engine, slot).id == wanted
