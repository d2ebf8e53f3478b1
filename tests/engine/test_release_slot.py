"""release_slot: the job of a slot whose process is gone goes back at once."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from tests.support.clock import Clock
from tests.support.places import (
    REAP,
    Make,
    claimed,
    counted,
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


def release(engine: Engine, *, lost: bool = True, slot: str = "0.0") -> list[str]:
    return engine.leases.release_slot(Slot("worker-1", slot), lost=lost, reason="process_killed")


@pytest.mark.parametrize(
    ("lost", "recoveries", "outcome"), [(True, 1, "recovered"), (False, 0, "released")]
)
def test_job_goes_back_to_its_place(
    engine: Engine, slot: Slot, make_job: Make, lost: bool, recoveries: int, outcome: str
) -> None:
    """No attempt is used; a death counts as a recovery, a stop does not."""
    first, second = make_job(), make_job()
    place = score(engine, "queued", first)
    job = claimed(engine, slot)
    drop_tokens(engine)

    assert release(engine, lost=lost) == [first, "queued"]

    assert places(engine) == {"queued": {"default": [first, second]}}
    assert score(engine, "queued", first) == place
    fields = record(engine, first)
    assert (fields["state"], fields["recoveries"]) == ("queued", str(recoveries))
    assert "attempts" not in fields
    assert tokens(engine) == 1
    (run,) = engine.inspector.job(first).runs
    assert (run.outcome, run.fence, run.worker, run.attempt) == (outcome, job.fence, "worker-1", 1)
    assert engine.inspector.totals().get("recovered", 0) == recoveries


def test_job_lost_too_often_fails(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The third death is the last by default: a poison job ends."""
    job_id = make_job(task="a.b")
    states = []
    for _ in range(3):
        claimed(engine, slot)
        states.append(release(engine)[1])

    assert states == ["queued", "queued", "failed"]
    assert places(engine) == {"failed": {"default": [job_id]}, "failed-of": {"a.b": [job_id]}}
    job = engine.inspector.job(job_id)
    assert (job.reason, job.recoveries, job.attempts) == ("process_killed", 3, 0)
    assert counted(engine, "failed") == 1


def test_jobs_own_limit_counts(engine: Engine, slot: Slot, make_job: Make) -> None:
    """max_recoveries=0: the first death fails the job."""
    job_id = make_job(max_recoveries=0)
    claimed(engine, slot)
    assert release(engine) == [job_id, "failed"]


def test_stop_never_fails_a_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Deployments may stop a job as often as they like."""
    job_id = make_job(max_recoveries=0)
    for _ in range(5):
        claimed(engine, slot)
        assert release(engine, lost=False) == [job_id, "queued"]


def test_slot_holds_nothing_afterwards(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A renewal has nothing to tell of it, neither held nor lost."""
    make_job()
    claimed(engine, slot)
    release(engine)

    assert engine.leases.renew("worker-1", {"pid": 1}).held == []


def test_same_call_again_finds_nothing(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A lost reply does not count the death twice."""
    make_job()
    claimed(engine, slot)
    release(engine)
    before = everything(engine)

    assert release(engine) == []
    assert everything(engine) == before


def test_idle_or_unknown_slot_has_nothing(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A process that died between jobs costs no job anything."""
    make_job()
    finish(engine, slot, claimed(engine, slot))
    before = everything(engine)

    assert release(engine) == []
    assert release(engine, slot="9.9") == []
    assert everything(engine) == before


def test_only_the_dead_slots_job_goes_back(engine: Engine, make_job: Make) -> None:
    """The other slots of the worker run on."""
    dead, lives = make_job(), make_job()
    claimed(engine, Slot("worker-1", "0.0"))
    claimed(engine, Slot("worker-1", "0.1"))

    release(engine)

    assert places(engine) == {"queued": {"default": [dead]}, "leases": {"default": [lives]}}


def test_job_that_another_slot_holds_stays_there(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A release that comes late does not touch the successor's run."""
    job_id = make_job()
    claimed(engine, slot)
    key = engine.client.keys("slots", "worker-1")
    held = engine.client.redis.hget(key, "0.0")
    release(engine)
    new = claimed(engine, Slot("worker-2", "0.0"))
    engine.client.redis.hset(key, "0.0", held)

    assert release(engine) == []
    assert places(engine) == {"leases": {"default": [job_id]}}
    assert record(engine, job_id)["fence"] == new.fence


def test_late_release_leaves_the_successors_job(engine: Engine, make_job: Make) -> None:
    """The call arrives once more when the next process of the slot runs a job already."""
    first, second = make_job(), make_job(priority=-1)
    claimed(engine, Slot("worker-1", "0.0"))
    found_dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    for moved in ([first, "queued"], []):
        assert engine.leases.release_slot(found_dead, lost=True, reason="killed_9") == moved
    job = claimed(engine, successor)
    before = everything(engine)

    assert engine.leases.release_slot(found_dead, lost=True, reason="killed_9") == []

    assert everything(engine) == before
    assert finish(engine, successor, job) == "ok"
    assert places(engine)["queued"] == {"default": [second]}


def test_reaped_job_is_not_given_back_again(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A job whose lease ended before its process was found dead is lost once."""
    job_id = make_job()
    claimed(engine, slot)
    clock.move(31)
    engine.queues.reap(**REAP)
    before = record(engine, job_id)

    assert release(engine) == []
    assert record(engine, job_id) == before
    assert places(engine) == {"queued": {"default": [job_id]}}


def test_release_works_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A dead process's job is not stranded by a full server."""
    job_id = make_job()
    claimed(engine, slot)
    with full_memory(engine):
        assert release(engine) == [job_id, "queued"]


def test_record_of_another_type_is_no_error(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The supervisor goes on; the lease's end brings the damage to light."""
    job_id = make_job()
    claimed(engine, slot)
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("job", job_id), "nonsense")

    try:
        release(engine)
    finally:
        client.delete(*parts_of(keys, job_id))
        for index in ("leases", "queued", "failed"):
            client.zrem(keys(index, "default"), job_id)
