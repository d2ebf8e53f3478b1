"""reap: jobs whose lease ended go back to their queue."""

from itertools import product

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.places import (
    REAP,
    Make,
    claimed,
    drop_tokens,
    everything,
    finish,
    full_memory,
    parts_of,
    places,
    record,
    score,
    tokens,
)

USUAL = {"interval_ms": 5_000, "grace_ms": 30_000}  # the reaper of a worker


def reap(engine: Engine, *queues: str, limit: int = 500) -> dict[str, str]:
    return engine.queues.reap(limit=limit, **REAP).states


def test_expired_lease_brings_the_job_back(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """It stands in its old place, with a recovery and no attempt more."""
    first, second = make_job(), make_job()
    place = score(engine, "queued", first)
    job = claimed(engine, slot)
    clock.move(31)
    drop_tokens(engine)

    assert reap(engine) == {first: "queued"}

    assert places(engine) == {"queued": {"default": [first, second]}}
    assert score(engine, "queued", first) == place
    fields = record(engine, first)
    assert (fields["recoveries"], fields.get("attempts")) == ("1", None)
    assert tokens(engine) == 1
    (run,) = engine.inspector.job(first).runs
    assert (run.outcome, run.worker, run.fence) == ("recovered", "worker-1", job.fence)
    assert engine.inspector.totals() == {"recovered": 1}


def test_lease_that_lasts_is_left_alone(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A second before its end nothing happens."""
    job_id = make_job()
    claimed(engine, slot)
    clock.move(29)

    assert reap(engine) == {}
    assert places(engine) == {"leases": {"default": [job_id]}}


def test_same_call_again_finds_nothing(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A lost reply does not count a recovery twice."""
    make_job()
    claimed(engine, slot)
    clock.move(31)
    reap(engine)
    before = everything(engine)
    before.pop("meta")

    assert reap(engine) == {}
    after = everything(engine)
    after.pop("meta")
    assert after == before


def test_job_lost_too_often_fails(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """The reason is a code, and no attempt was used."""
    job_id = make_job(task="a.b", max_recoveries=1)
    for state in ("queued", "failed"):
        claimed(engine, slot)
        clock.move(31)
        assert reap(engine) == {job_id: state}

    assert places(engine) == {"failed": {"default": [job_id]}, "failed-of": {"a.b": [job_id]}}
    job = engine.inspector.job(job_id)
    assert (job.reason, job.recoveries, job.attempts) == ("lost", 2, 0)


def test_several_queues_share_the_limit(engine: Engine, clock: Clock, make_job: Make) -> None:
    """One call's work is bounded, whatever the number of queues."""
    for number in range(6):
        queue = "ab"[number % 2]
        make_job(queue=queue)
        claimed(engine, Slot("worker-1", str(number)), queue)
    clock.move(31)

    assert [len(reap(engine, "a", "b", limit=4)) for _ in range(3)] == [4, 2, 0]
    assert {queue: len(ids) for queue, ids in places(engine)["queued"].items()} == {"a": 3, "b": 3}


def test_first_call_ever_reaps(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """Without an earlier call there is no gap."""
    job_id = make_job()
    claimed(engine, slot)
    clock.move(31)

    assert engine.queues.reap(**USUAL).states == {job_id: "queued"}


def test_reaper_waits_after_a_gap(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """Nobody could renew while Redis was away: everybody gets the time to."""
    job_id = make_job()
    claimed(engine, slot)
    engine.queues.reap(**USUAL)
    found = []
    for seconds in (40, 10, 10, 11):
        clock.move(seconds)
        found.append(engine.queues.reap(**USUAL).states)

    assert found == [{}, {}, {}, {job_id: "queued"}]


def test_worker_that_renews_in_the_meantime_keeps_its_job(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """That is what the reaper waits for."""
    make_job()
    claimed(engine, slot)
    engine.queues.reap(**USUAL)
    clock.move(40)
    engine.queues.reap(**USUAL)
    engine.leases.renew("worker-1", {"pid": 1})
    found = []
    for _ in range(10):
        clock.move(10)
        engine.leases.renew("worker-1", {"pid": 1})
        found.append(engine.queues.reap(**USUAL).states)

    assert found == [{}] * 10


def test_reaper_waits_once_per_ten_leases(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A reaper that is starved again and again works all the same."""
    job_id = make_job()
    engine.queues.reap(**USUAL)
    clock.move(60)
    engine.queues.reap(**USUAL)  # waits 30 s
    claimed(engine, slot)
    clock.move(60)

    assert engine.queues.reap(**USUAL).states == {job_id: "queued"}


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock_that_jumps_does_not_stop_the_reaper(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, hours: int
) -> None:
    """After a jump it waits one grace, then works."""
    job_id = make_job()
    for _ in range(10):
        engine.queues.reap(**USUAL)
        clock.move(5)
    clock.move(3600 * hours)
    claimed(engine, slot)
    reaped: dict[str, str] = {}
    for _ in range(20):
        reaped |= engine.queues.reap(**USUAL).states
        clock.move(5)

    assert reaped == {job_id: "queued"}


def test_clock_that_goes_back_is_a_gap_too(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """How long nobody could renew can't be told by such a clock."""
    job_id = make_job()
    engine.queues.reap(**USUAL)
    clock.move(-3600)
    claimed(engine, slot)
    found = []
    for seconds in (31, 15, 16):
        clock.move(seconds)
        found.append(engine.queues.reap(**USUAL).states)

    assert found == [{}, {}, {job_id: "queued"}]


def test_clock_that_goes_back_ends_the_wait(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The reaper never waits longer than one grace."""
    job_id = make_job()
    engine.queues.reap(**USUAL)
    clock.move(60)
    engine.queues.reap(**USUAL)  # waits 30 s
    clock.move(-200)
    claimed(engine, slot)
    clock.move(31)

    assert engine.queues.reap(**USUAL).states == {job_id: "queued"}


def test_clock_that_goes_back_keeps_no_job_for_that_time(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker died with the lease in its record: no lease ends later than one from now."""
    job_id = make_job()
    engine.leases.renew(slot.worker, {"pid": 1})
    claimed(engine, slot)
    engine.queues.reap(**USUAL)
    clock.move(-3600)
    engine.queues.reap(**USUAL)  # notices, and waits
    assert "The clock of the Redis server went back by 3600" in caplog.text
    for seconds in (31, 5, 31):
        clock.move(seconds)
        found = engine.queues.reap(**USUAL).states

    assert found == {job_id: "queued"}


def test_lease_of_a_worker_with_longer_ones_is_left_alone(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Another worker has another LEASE: its own is what counts."""
    job_id = make_job()
    claimed(engine, slot)
    engine.client.run("renew", [], worker=slot.worker, lease=3_600_000)
    before = score(engine, "leases", job_id)
    engine.queues.reap(**USUAL)
    assert score(engine, "leases", job_id) == before


def test_reaper_walks_all_queues_in_pages(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A page that reaches its limit is followed by one that begins with the same queue."""
    lost = [make_job(queue=queue) for queue in ("a", "a", "b")]
    for number in range(3):
        claimed(engine, Slot("worker-1", str(number)), "a", "b")
    clock.move(31)
    first = engine.queues.reap(limit=1, **REAP)
    second = engine.queues.reap(first.next, limit=1, **REAP)
    third = engine.queues.reap(second.next, **REAP)

    assert (first.next, second.next, third.next) == ("a", "a", "")
    assert {**first.states, **second.states, **third.states} == dict.fromkeys(lost, "queued")


def test_lease_is_found_wherever_its_queue_stands_in_the_page(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """The reaper asks for the leases of 20 queues at once."""
    queues = [f"q{number:02}" for number in range(45)]
    made = {queue: make_job(queue=queue) for queue in queues}
    busy = ("q00", "q19", "q20", "q44")
    for queue in busy:
        claimed(engine, Slot("worker-1", queue), queue)
    clock.move(31)
    assert reap(engine) == {made[queue]: "queued" for queue in busy}


def test_lease_without_record_ends_as_failed(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The damaged one is shown, the others are recovered."""
    gone, other = make_job(), make_job()
    for name in ("0.0", "0.1"):
        claimed(engine, Slot("worker-1", name))
    engine.client.redis.delete(engine.client.keys("job", gone))
    clock.move(31)

    assert reap(engine) == {gone: "failed", other: "queued"}
    assert places(engine) == {"failed": {"default": [gone]}, "queued": {"default": [other]}}
    assert engine.inspector.totals() == {"damaged": 1, "recovered": 1}


def test_record_of_another_type_ends_as_failed(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A string where the hash should be does not stop the reaper."""
    broken, other = make_job(), make_job()
    for name in ("0.0", "0.1"):
        claimed(engine, Slot("worker-1", name))
    engine.client.redis.set(engine.client.keys("job", broken), "nonsense")
    clock.move(31)

    assert reap(engine) == {broken: "failed", other: "queued"}
    assert record(engine, broken)["reason"] == "damaged"


def test_lease_of_a_job_elsewhere_is_dropped(engine: Engine, job_in: Make) -> None:
    """The record decides; the stray id goes."""
    stray = job_in(State.SUCCEEDED)
    engine.client.redis.zadd(engine.client.keys("leases", "default"), {stray: 1})

    assert reap(engine) == {stray: "succeeded"}
    assert places(engine) == {"succeeded": {"default": [stray]}}
    assert engine.inspector.totals() == {}


def test_settled_job_is_not_reaped(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A finish takes the lease with it."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot))
    clock.move(300)

    assert reap(engine) == {}
    assert places(engine) == {"succeeded": {"default": [job_id]}}


def test_reap_works_at_maxmemory(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """Lost jobs come back on a full server too."""
    job_id = make_job()
    claimed(engine, slot)
    clock.move(31)
    with full_memory(engine):
        assert reap(engine) == {job_id: "queued"}


@pytest.mark.parametrize("field", ["score", "priority", "attempted_at", "recoveries"])
def test_damaged_field_loses_no_job(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, field: str
) -> None:
    """What is no number counts as missing."""
    job_id = make_job()
    claimed(engine, slot)
    record_key = engine.client.keys("job", job_id)
    engine.client.redis.hset(record_key, field, "nonsense")
    if field == "priority":
        engine.client.redis.hdel(record_key, "score")
    clock.move(31)

    assert reap(engine) == {job_id: "queued"}
    assert places(engine) == {"queued": {"default": [job_id]}}


@pytest.mark.parametrize(
    ("value", "fair"),
    [*product(("nan", "inf", "-inf", "1e400"), ("", "a")), (" 5 ", ""), ("0x10", "")],
)
def test_odd_score_does_not_stop_the_reaper(
    engine: Engine, clock: Clock, make_job: Make, value: str, fair: str
) -> None:
    """What Lua reads as a number may be none for the server."""
    job_id, other = make_job(fair=fair), make_job(queue="other")
    claimed(engine, Slot("worker-1", "0.0"))
    claimed(engine, Slot("worker-1", "0.1"), "other")
    engine.client.redis.hset(engine.client.keys("job", job_id), "score", value)
    clock.move(31)

    assert reap(engine) == {job_id: "queued", other: "queued"}


def test_attempts_of_another_type_do_not_stop_the_reaper(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """One damaged part costs no other job its recovery."""
    broken, other = make_job(), make_job()
    for name in ("0.0", "0.1"):
        claimed(engine, Slot("worker-1", name))
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("attempts", broken), "nonsense")
    clock.move(31)

    try:
        assert reap(engine)[other] == "queued"
    finally:
        client.delete(*parts_of(keys, broken))
        for index in ("leases", "queued", "failed"):
            client.zrem(keys(index, "default"), broken)
        client.delete(keys("failed-of", "tests.project.tasks.noop"), keys("failed-tasks"))
