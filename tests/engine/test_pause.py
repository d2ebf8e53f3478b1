"""pause: no claims from a queue."""

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.testing.run import now_ms
from tests.support.places import (
    DONE,
    Make,
    claimed,
    everything,
    finish,
    full_memory,
    nothing,
    places,
)


def test_paused_queue_gives_no_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its jobs stay where they are."""
    job_id = make_job()

    assert engine.queues.pause("default")

    assert nothing(engine, slot) == NoJob()
    assert places(engine) == {"queued": {"default": [job_id]}}
    (stats,) = engine.inspector.queue_stats()
    assert stats.paused


def test_running_jobs_go_on(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A run is settled as ever, and brings no next job."""
    job_id, waits = make_job(), make_job()
    job = claimed(engine, slot)
    engine.queues.pause("default")

    assert engine.leases.renew("worker-1", {"pid": 1}).held[0].lost is False
    assert finish(engine, slot, job) == "ok"
    assert places(engine) == {"succeeded": {"default": [job_id]}, "queued": {"default": [waits]}}


def test_finish_claims_nothing_from_a_paused_queue(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Neither does the claim that a finish brings."""
    make_job()
    make_job()
    job = claimed(engine, slot)
    engine.queues.pause("default")

    assert engine.claims.finish(slot, job, DONE, ["default"])[2] == NoJob()


def test_same_call_again_is_no_news(engine: Engine) -> None:
    """The answer tells, and nothing changes."""
    engine.queues.pause("default")
    before = everything(engine)

    assert not engine.queues.pause("default")
    assert everything(engine) == before


def test_it_is_stored_who_paused_and_since_when(engine: Engine, make_job: Make) -> None:
    """A damaged note, or one of nobody, still pauses."""
    make_job()
    before = now_ms()
    engine.queues.pause("default", by="anna\n of ops")
    pause = engine.inspector.queue_stats()[0].pause
    assert pause is not None
    assert pause.by == "anna  of ops"
    assert before - 5_000 < pause.since < now_ms() + 5_000
    engine.client.redis.hset(engine.client.keys("meta"), "paused:default", b"\xff")
    assert engine.inspector.queue_stats()[0].pause == (0, "")


def test_pause_works_at_maxmemory(engine: Engine, make_job: Make) -> None:
    """An operator can stop a queue while the server is full."""
    make_job()
    with full_memory(engine):
        assert engine.queues.pause("default")
