"""forget_worker: the records of workers that are gone."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from tests.support.clock import Clock
from tests.support.places import (
    REAP,
    Make,
    claimed,
    everything,
    finish,
    full_memory,
    nothing,
    places,
)


def names(engine: Engine) -> set[str]:
    found = everything(engine)
    return {name for name in found if name.startswith(("worker", "slots"))}


def test_worker_that_ends_leaves_nothing(engine: Engine) -> None:
    """Its record, its slots and its place in the list go; other workers stay."""
    engine.leases.renew("worker-1", {"pid": 1})
    engine.leases.renew("worker-2", {"pid": 2})

    assert engine.leases.forget("worker-1") == 1

    assert [worker.id for worker in engine.inspector.workers()] == ["worker-2"]
    assert names(engine) == {"workers", "worker:worker-2"}


def test_same_call_again_changes_nothing(engine: Engine) -> None:
    """A lost reply does no harm."""
    engine.leases.renew("worker-1", {"pid": 1})
    engine.leases.forget("worker-1")
    before = everything(engine)

    engine.leases.forget("worker-1")

    assert everything(engine) == before


def test_worker_not_seen_for_long_is_forgotten(engine: Engine, clock: Clock) -> None:
    """Ten minutes without a renewal are the end of a worker's record."""
    engine.leases.renew("old", {"pid": 1})
    clock.move(599)
    engine.leases.renew("new", {"pid": 2})
    assert engine.leases.forget() == 0
    clock.move(2)

    assert engine.leases.forget() == 1
    assert [worker.id for worker in engine.inspector.workers()] == ["new"]


def test_worker_that_ends_unseen_is_one(engine: Engine, clock: Clock) -> None:
    """It is counted once, whichever way it goes."""
    engine.leases.renew("worker-1", {"pid": 1})
    clock.move(601)
    assert engine.leases.forget("worker-1") == 1


def test_worker_that_was_cut_off_keeps_its_leases(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """After an outage another one may come first: it must not take away what names the leases."""
    job_id = make_job()
    run = claimed(engine, slot)
    engine.leases.renew("worker-1", {"pid": 1})
    clock.move(1000)
    engine.leases.renew("worker-2", {"pid": 2})

    assert engine.leases.forget() == 0

    assert [(one.id, one.lost) for one in engine.leases.renew("worker-1", {}).held] == [
        (job_id, False)
    ]
    assert engine.queues.reap(**REAP).states == {}
    assert finish(engine, slot, run) == "ok"


def test_worker_goes_when_its_last_run_was_taken_back(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """What its slots name then is no reason to wait for it."""
    make_job()
    claimed(engine, slot)
    engine.leases.renew("worker-1", {"pid": 1})
    clock.move(601)
    engine.queues.reap(**REAP)

    assert engine.leases.forget() == 1
    assert names(engine) == set()


def test_worker_goes_when_another_runs_its_last_job(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The job's run is under way, but not under the fence that its slots name."""
    make_job()
    claimed(engine, slot)
    engine.leases.renew("worker-1", {"pid": 1})
    clock.move(601)
    engine.queues.reap(**REAP)
    claimed(engine, Slot("worker-2", "0.0"))

    assert engine.leases.forget() == 1
    assert names(engine) == {"slots:worker-2", "workers"}


def test_worker_that_never_renewed_is_forgotten(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A client that only claims leaves nothing behind either."""
    make_job()
    finish(engine, slot, claimed(engine, slot))
    claimed_nothing = nothing(engine, slot)
    clock.move(601)

    assert claimed_nothing == NoJob()
    assert engine.leases.forget() == 1
    assert names(engine) == set()


@pytest.mark.parametrize("damaged", ["slots", "slot"])
def test_worker_of_damaged_slots_is_forgotten(engine: Engine, clock: Clock, damaged: str) -> None:
    """What can't be read holds no run."""
    engine.leases.renew("worker-1", {"pid": 1})
    key = engine.client.keys("slots", "worker-1")
    if damaged == "slots":
        engine.client.redis.set(key, "nonsense")
    else:
        engine.client.redis.hset(key, "0.0", "nonsense")
    clock.move(601)

    assert engine.leases.forget() == 1
    assert names(engine) == set()


def test_a_hundred_are_forgotten_at_a_time(engine: Engine, clock: Clock) -> None:
    """One call's work is bounded."""
    for number in range(105):
        engine.leases.renew(f"worker-{number}", {"pid": number})
    clock.move(601)

    assert [engine.leases.forget() for _ in range(3)] == [100, 5, 0]
    assert names(engine) == set()


def test_jobs_of_a_forgotten_worker_are_reaped(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Its leases end by themselves."""
    job_id = make_job()
    claimed(engine, slot)
    engine.leases.forget("worker-1")
    assert places(engine) == {"leases": {"default": [job_id]}}
    clock.move(31)

    assert engine.queues.reap(**REAP).states == {job_id: "queued"}


def test_forgetting_works_at_maxmemory(engine: Engine) -> None:
    """What frees memory is never refused."""
    engine.leases.renew("worker-1", {"pid": 1})
    with full_memory(engine):
        assert engine.leases.forget("worker-1") == 1
