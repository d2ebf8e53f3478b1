"""renew: a worker shows that it lives, and its slots keep their leases."""

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Lease, Slot
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
)

INFO: dict[str, str | int] = {"host": "h", "pid": 7, "queues": "default b", "version": "1"}


def test_leases_of_all_slots_are_extended(engine: Engine, clock: Clock, make_job: Make) -> None:
    """One call serves the whole worker, and no other."""
    slots = [Slot("worker-1", name) for name in ("0.0", "0.1")]
    mine = [(make_job(queue=queue), slot) for queue, slot in zip("ab", slots, strict=True)]
    jobs = [claimed(engine, slot, "a", "b") for _, slot in mine]
    foreign = make_job()
    other = claimed(engine, Slot("worker-2", "0.0"))
    clock.move(20)

    held = engine.leases.renew("worker-1", INFO).held

    assert sorted(held, key=lambda one: one.slot) == [
        Lease("0.0", jobs[0].id, jobs[0].fence, lost=False),
        Lease("0.1", jobs[1].id, jobs[1].fence, lost=False),
    ]
    for job in jobs:
        assert (score(engine, "leases", job.id, job.queue) or 0) >= job.attempted_at + 50_000
    assert score(engine, "leases", foreign) == other.attempted_at + 30_000


def test_worker_shows_itself(engine: Engine, clock: Clock) -> None:
    """The record says what the worker is and when it was last seen."""
    engine.leases.renew("worker-1", INFO)
    clock.move(10)
    engine.leases.renew("worker-1", INFO | {"stopping": 1})

    (worker,) = engine.inspector.workers()
    assert (worker.id, worker.host, worker.pid, worker.queues) == (
        "worker-1",
        "h",
        7,
        ("default", "b"),
    )
    assert worker.stopping
    index = engine.client.keys("workers")
    assert engine.client.redis.zscore(index, "worker-1") == worker.seen_at


def test_idle_worker_has_nothing_to_renew(engine: Engine) -> None:
    """It is seen all the same."""
    assert engine.leases.renew("worker-1", INFO).held == []
    assert len(engine.inspector.workers()) == 1


def test_same_call_again_is_harmless(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A repeated renewal answers the same and moves nothing."""
    make_job()
    claimed(engine, slot)
    first = engine.leases.renew("worker-1", INFO).held
    before = places(engine)

    assert engine.leases.renew("worker-1", INFO).held == first
    assert places(engine) == before


def test_expired_lease_that_nobody_reaped_lives_on(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """After an outage of Redis the running jobs run on."""
    job_id = make_job()
    claimed(engine, slot)
    clock.move(300)

    assert [held.lost for held in engine.leases.renew("worker-1", INFO).held] == [False]
    assert engine.queues.reap(**REAP).states == {}
    assert places(engine) == {"leases": {"default": [job_id]}}


def test_lost_lease_is_told(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """A reaped job stays where it is; its old slot hears that it lost it."""
    make_job()
    job = claimed(engine, slot)
    clock.move(31)
    engine.queues.reap(**REAP)
    new = claimed(engine, Slot("worker-2", "0.0"))
    before = everything(engine)["leases:default"]

    held = engine.leases.renew("worker-1", INFO).held

    assert held == [Lease("0.0", job.id, job.fence, lost=True)]
    assert everything(engine)["leases:default"] == before
    assert record(engine, job.id)["fence"] == new.fence


def test_settled_job_gets_no_lease(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A renewal that crosses a finish does not bring the job back."""
    job_id = make_job()
    job = claimed(engine, slot)
    key = engine.client.keys("slots", "worker-1")
    held = engine.client.redis.hget(key, "0.0")
    finish(engine, slot, job)
    engine.client.redis.hset(key, "0.0", held)

    assert [one.lost for one in engine.leases.renew("worker-1", INFO).held] == [True]
    assert places(engine) == {"succeeded": {"default": [job_id]}}


def test_deleted_record_is_a_lost_lease(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A job whose hash vanished while it runs is told as lost."""
    job_id = make_job()
    claimed(engine, slot)
    engine.client.redis.delete(*parts_of(engine.client.keys, job_id))
    engine.client.redis.delete(engine.client.keys("leases", "default"))

    assert [one.lost for one in engine.leases.renew("worker-1", INFO).held] == [True]


def test_record_of_another_type_costs_no_other_job_its_lease(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """One damaged record does not stop the renewal of the rest."""
    broken, fine = make_job(), make_job()
    for name in ("0.0", "0.1"):
        claimed(engine, Slot("worker-1", name))
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("job", broken), "nonsense")
    before = score(engine, "leases", fine)
    clock.move(20)

    try:
        engine.leases.renew("worker-1", INFO)
        assert score(engine, "leases", fine) != before
    finally:
        client.delete(*parts_of(keys, broken))
        client.zrem(keys("leases", "default"), broken)


def test_unreadable_entry_costs_no_other_slot_its_lease(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """The slot of which nothing is known any more is passed over."""
    job_id = make_job()
    claimed(engine, slot)
    entries = engine.client.keys("slots", slot.worker)
    engine.client.redis.hset(entries, "0.9", "nonsense")

    held = engine.leases.renew(slot.worker, INFO).held

    engine.client.redis.hdel(entries, "0.9")
    assert [one.id for one in held] == [job_id]


def test_renew_works_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A full server does not end leases, and a new worker can register."""
    make_job()
    claimed(engine, slot)
    drop_tokens(engine)

    with full_memory(engine):
        assert [held.lost for held in engine.leases.renew("worker-1", INFO).held] == [False]
        assert engine.leases.renew("worker-2", INFO).held == []
