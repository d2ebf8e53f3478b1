"""run_now: a job of a schedule outside its timetable."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.schedules import Fired, FireReply
from django_jobqueue.exceptions import QueueUnavailable
from tests.support.clock import Clock
from tests.support.places import (
    claimed,
    counted,
    everything,
    finish,
    full_memory,
    places,
    record,
    tokens,
)

from .firing import fire, known, look, new, scores


def test_job_is_stored_and_noted(engine: Engine) -> None:
    """Also of a schedule that no scheduler has seen."""
    job = new(priority=-3, schedule="nightly")

    at = engine.schedules.run_now("nightly", job)

    assert places(engine) == {"queued": {"default": [job.id]}}
    assert record(engine, job.id)["enqueued_at"] == str(at)
    assert record(engine, job.id)["schedule"] == "nightly"
    assert known(engine) == {"job": job.id}
    assert scores(engine, "schedules") == {"nightly": at}
    assert (counted(engine, "enqueued"), tokens(engine)) == (1, 1)


def test_times_are_fired_as_before(engine: Engine) -> None:
    """Neither the high water nor the counts know of it."""
    since = look(engine)
    fire(engine, since + 1)
    before = known(engine)
    job = new()
    engine.schedules.run_now("nightly", job)
    assert known(engine) == before | {"job": job.id}
    assert fire(engine, since + 2).reply == "fired"


def test_overlap_counts_it(engine: Engine, slot: Slot) -> None:
    """A time that comes while it is under way is left out, if the schedule says so."""
    since = look(engine)
    engine.schedules.run_now("nightly", new())
    assert fire(engine, since + 1, overlap="skip") == Fired(FireReply.OVERLAP)
    finish(engine, slot, claimed(engine, slot))
    assert fire(engine, since + 2, overlap="skip").reply == "fired"


def test_same_call_again_is_one_job(engine: Engine, clock: Clock) -> None:
    """A lost reply: when it was stored is told again."""
    job = new()
    at = engine.schedules.run_now("nightly", job)
    before = everything(engine)
    clock.move(5)
    assert engine.schedules.run_now("nightly", job) == at
    assert everything(engine) == before


def test_key_of_another_type_gives_way(engine: Engine) -> None:
    engine.client.redis.set(engine.client.keys("schedule", "nightly"), "nonsense")
    job = new()
    engine.schedules.run_now("nightly", job)
    assert known(engine) == {"job": job.id}


def test_run_is_refused_at_maxmemory(engine: Engine) -> None:
    """And nothing has changed."""
    engine.client.redis.set(engine.client.keys("schedule", "nightly"), "nonsense")
    before = everything(engine)
    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        engine.schedules.run_now("nightly", new())
    assert everything(engine) == before
    engine.client.redis.delete(engine.client.keys("schedule", "nightly"))
