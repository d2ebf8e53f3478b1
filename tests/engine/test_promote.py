"""promote: due jobs join their queue."""

from datetime import timedelta

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.queues import PROMOTED
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from django_jobqueue.worker.maintenance import Maintenance
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    REAP,
    RETRIED,
    Make,
    claimed,
    drop_tokens,
    everything,
    finish,
    full_memory,
    places,
    record,
    tokens,
)


def test_due_jobs_become_claimable(engine: Engine, clock: Clock, make_job: Make) -> None:
    """In the order in which they are due, behind what already waits; the rest stays."""
    late = make_job(due=timedelta(hours=2))
    due = [make_job(due=timedelta(minutes=n)) for n in (3, 1, 2)]
    waits = make_job()
    clock.move(3600)
    drop_tokens(engine)

    assert engine.queues.promote() == 3

    assert places(engine) == {
        "queued": {"default": [waits, due[1], due[2], due[0]]},
        "scheduled": {"default": [late]},
    }
    assert {record(engine, job_id)["state"] for job_id in due} == {"queued"}
    assert tokens(engine) == 1


def test_nothing_due_moves_nothing(engine: Engine, make_job: Make) -> None:
    """Neither jobs nor tokens change."""
    make_job(due=timedelta(hours=1))
    make_job()
    before = everything(engine)

    assert engine.queues.promote() == 0
    assert everything(engine) == before


def test_same_call_again_moves_nothing(engine: Engine, clock: Clock, make_job: Make) -> None:
    """A lost reply does no harm."""
    make_job(due=timedelta(seconds=1))
    clock.move(2)
    engine.queues.promote()
    before = everything(engine)

    assert engine.queues.promote() == 0
    assert everything(engine) == before


def test_limit_bounds_the_call(engine: Engine, clock: Clock, make_job: Make) -> None:
    """The earliest go first; the answer at the limit means: call again."""
    ids = [make_job(due=timedelta(seconds=n)) for n in range(5)]
    clock.move(10)

    assert engine.queues.promote(limit=2) == 2
    assert places(engine) == {"queued": {"default": ids[:2]}, "scheduled": {"default": ids[2:]}}
    assert [engine.queues.promote(limit=2) for _ in range(2)] == [2, 1]


def test_many_at_one_instant_go_step_by_step(engine: Engine, slot: Slot) -> None:
    """Whoever calls, a call moves a bounded number, and the order is that of their enqueues."""
    due, number = 1_700_000_000_000, 2 * PROMOTED + 80
    jobs = [new_job(new_id(), "default", "a.b", b"x", due=due) for _ in range(number)]
    list(engine.jobs.enqueue_many(jobs))
    ids = [job.id for job in jobs]

    assert engine.queues.promote() == PROMOTED
    assert places(engine)["queued"] == {"default": ids[:PROMOTED]}

    assert claimed(engine, slot).id == ids[0]
    assert places(engine)["queued"] == {"default": ids[1 : PROMOTED + 50]}

    assert Maintenance(engine).promote()  # there is more to do
    assert places(engine)["queued"] == {"default": ids[1 : 2 * PROMOTED + 50]}
    assert not Maintenance(engine).promote()
    assert places(engine)["queued"] == {"default": ids[1:]}


def test_priority_counts_in_the_queue(engine: Engine, clock: Clock, make_job: Make) -> None:
    """A due job of high priority stands before what already waits."""
    waits = make_job()
    due = make_job(due=timedelta(seconds=1), priority=50)
    clock.move(2)

    engine.queues.promote()

    assert places(engine) == {"queued": {"default": [due, waits]}}


def test_retry_runs_again_with_its_attempts(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A retry is a scheduled job like any other."""
    make_job()
    finish(engine, slot, claimed(engine, slot), RETRIED)
    clock.move(61)

    assert engine.queues.promote() == 1
    assert claimed(engine, slot).attempt == 2


def test_several_queues_in_one_call(engine: Engine, clock: Clock, make_job: Make) -> None:
    """Each queue's jobs stay in it, and only those that are due move."""
    ids = {
        q: make_job(queue=q, due=timedelta(seconds=at))
        for q, at in {"a": 1, "b": 1, "c": 9}.items()
    }
    clock.move(2)

    assert engine.queues.promote() == 2
    assert places(engine) == {
        "queued": {"a": [ids["a"]], "b": [ids["b"]]},
        "scheduled": {"c": [ids["c"]]},
    }


def test_several_queues_share_the_limit(engine: Engine, make_job: Make) -> None:
    """One call's work is bounded, whatever the number of queues."""
    for queue in "abab":
        make_job(queue=queue, due=1)

    assert [engine.queues.promote(limit=3) for _ in range(3)] == [3, 1, 0]


def test_id_of_a_job_elsewhere_is_dropped(engine: Engine, job_in: Make) -> None:
    """The record decides; the stray id goes."""
    stray = job_in(State.SUCCEEDED)
    engine.client.redis.zadd(engine.client.keys("scheduled", "default"), {stray: 1})
    engine.queues.reap(**REAP)  # notes that something is due

    assert engine.queues.promote() == 1
    assert places(engine) == {"succeeded": {"default": [stray]}}
    assert engine.inspector.totals() == {}


def test_damaged_record_does_not_stop_the_rest(engine: Engine, make_job: Make) -> None:
    """It ends as failed, where people see it."""
    broken, gone, fine = (make_job(due=n) for n in (1, 2, 3))
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("job", broken), "nonsense")
    client.delete(keys("job", gone))

    assert engine.queues.promote() == 3
    found = places(engine)
    assert found["queued"] == {"default": [fine]}
    assert sorted(found["failed"]["default"]) == sorted([broken, gone])


def test_damaged_priority_loses_no_job(engine: Engine, make_job: Make) -> None:
    """What is no number counts as missing."""
    job_id = make_job(due=1)
    engine.client.redis.hset(engine.client.keys("job", job_id), "priority", "nonsense")

    assert engine.queues.promote() == 1
    assert places(engine) == {"queued": {"default": [job_id]}}


def test_promote_works_at_maxmemory(engine: Engine, make_job: Make) -> None:
    """What is stored can be run."""
    make_job(due=1)
    with full_memory(engine):
        assert engine.queues.promote() == 1
