"""fire: each time of a schedule stores one job, whoever calls and however often."""

import threading
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.schedules import Fired, FireReply
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from tests.support.clock import Clock
from tests.support.places import (
    DONE,
    FAILED,
    RETRIED,
    claimed,
    counted,
    everything,
    finish,
    full_memory,
    places,
    record,
    tokens,
)

from .firing import OTHER, RULE, TASK, fire, known, look, new, rules

CANCELLED = RunResult(Outcome.CANCELLED)


def test_time_stores_a_job(engine: Engine) -> None:
    """As by enqueue, counted and told; what was fired is noted."""
    since = look(engine)
    job = new(priority=7, schedule="nightly", nominal_at=since + 1)

    found = fire(engine, since + 1, job)

    assert found.reply == "fired"
    assert places(engine) == {"queued": {"default": [job.id]}}
    assert record(engine, job.id) == {
        "state": "queued",
        "queue": "default",
        "task": TASK,
        "enqueued_at": str(found.at),
        "payload": "x",
        "priority": "7",
        "schedule": "nightly",
        "nominal": str(since + 1),
    }
    assert known(engine) == {
        "firing": f"{since + 1} {job.id}",
        "high_water": str(since + 1),
        "nominal": str(since + 1),
        "fired_at": str(found.at),
        "job": job.id,
        "fired": "1",
    }
    assert (counted(engine, "enqueued"), tokens(engine)) == (1, 1)
    assert engine.queues.names() == ["default"]
    assert engine.inspector.job(job.id).payload == b"x"


def test_one_time_is_fired_once(engine: Engine) -> None:
    """Another scheduler, with a job of its own, comes too late."""
    since = look(engine)
    fire(engine, since + 1)
    before = everything(engine)

    assert fire(engine, since + 1) == Fired(FireReply.KNOWN)
    assert everything(engine) == before


def test_earlier_times_are_handled_with_a_later_one(engine: Engine) -> None:
    """Whoever fires one has passed over those before it."""
    since = look(engine)
    fire(engine, since + 2_000)
    assert fire(engine, since + 1_000) == Fired(FireReply.KNOWN)
    assert fire(engine, since + 3_000).reply == "fired"
    assert known(engine)["fired"] == "2"


def test_same_call_again_is_its_own_fire(engine: Engine, clock: Clock, slot: Slot) -> None:
    """A lost reply: the same is told again, also when the job has run or other times came."""
    since = look(engine)
    job = new()
    found = fire(engine, since + 1, job)
    clock.move(5)
    for step in (lambda: None, lambda: claimed(engine, slot), lambda: fire(engine, since + 2)):
        step()
        before = everything(engine)
        assert fire(engine, since + 1, job) == found
        assert everything(engine) == before


def test_times_before_the_rule_are_not_fired(engine: Engine) -> None:
    """A schedule that was entered now does not fire what lies before."""
    since = look(engine)
    assert fire(engine, since) == Fired(FireReply.KNOWN)
    assert fire(engine, since - 86_400_000) == Fired(FireReply.KNOWN)
    assert places(engine) == {}


def test_rules_side_by_side_fire_one_instant_once(engine: Engine, clock: Clock) -> None:
    """Old and new code name it differently; it is the same instant."""
    look(engine, RULE)
    since = look(engine, OTHER)
    clock.move(10)
    fire(engine, since + 5_000, rule=RULE)
    assert fire(engine, since + 5_000, rule=OTHER) == Fired(FireReply.KNOWN)
    assert fire(engine, since + 6_000, rule=OTHER).reply == "fired"


def test_changed_rule_fires_nothing_before_the_change(engine: Engine, clock: Clock) -> None:
    """Its times begin when it was seen first."""
    look(engine, RULE)
    clock.move(40)
    since = look(engine, OTHER)
    assert fire(engine, since - 10_000, rule=OTHER) == Fired(FireReply.KNOWN)
    assert fire(engine, since - 10_000, rule=RULE).reply == "fired"


@pytest.mark.parametrize("what", ["never looked", "emptied", "forgotten", "changed"])
def test_unknown_rule_fires_nothing(engine: Engine, clock: Clock, what: str) -> None:
    """A scheduler that slept, and goes on with what it knew, does no harm."""
    since = 1
    if what != "never looked":
        since = look(engine)
    if what == "emptied":
        engine.client.redis.flushall()
    elif what == "forgotten":
        engine.schedules.forget("nightly")
    elif what == "changed":
        clock.move(61)
        look(engine, OTHER)
    assert fire(engine, since + 1_000) == Fired(FireReply.KNOWN)
    assert places(engine) == {}


def test_schedules_do_not_know_each_other(engine: Engine) -> None:
    """Two of one rule both fire."""
    found = engine.schedules.register("s1", {"nightly": RULE, "other": RULE})
    assert fire(engine, found.now + 1).reply == "fired"
    assert fire(engine, found.now + 1, name="other").reply == "fired"


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SCHEDULED])
def test_overlap_leaves_a_time_out(engine: Engine, slot: Slot, state: State) -> None:
    """While the job of the fire before is queued, runs or waits for its next attempt."""
    since, job = look(engine), new()
    fire(engine, since + 1, job)
    if state is not State.QUEUED:
        run = claimed(engine, slot)
        if state is State.SCHEDULED:
            finish(engine, slot, run, RETRIED)
    before = places(engine)

    assert fire(engine, since + 2, overlap="skip") == Fired(FireReply.OVERLAP)

    assert places(engine) == before
    assert known(engine)["overlapped"] == "1"
    assert known(engine)["nominal"] == str(since + 1)
    assert known(engine)["high_water"] == str(since + 2)
    assert engine.client.redis.exists(engine.client.keys("job", job.id))


def test_overlap_that_is_allowed(engine: Engine) -> None:
    """Jobs of one schedule may stand side by side."""
    since = look(engine)
    assert [fire(engine, since + n).reply for n in (1, 2)] == ["fired", "fired"]


@pytest.mark.parametrize("settled", [DONE, FAILED, CANCELLED], ids=lambda settled: settled.outcome)
def test_overlap_ends_with_the_job(engine: Engine, slot: Slot, settled: Any) -> None:
    """However it ended, or when an operator deleted it."""
    since = look(engine)
    fire(engine, since + 1)
    finish(engine, slot, claimed(engine, slot), settled)
    job = new()
    assert fire(engine, since + 2, job, overlap="skip").reply == "fired"
    engine.jobs.delete(job.id)
    assert fire(engine, since + 3, overlap="skip").reply == "fired"


def test_time_that_was_left_out_stays_so(engine: Engine, slot: Slot) -> None:
    """It is counted once, and not fired when the job has ended."""
    since, job = look(engine), new()
    fire(engine, since + 1)
    fire(engine, since + 2, job, overlap="skip")
    finish(engine, slot, claimed(engine, slot))
    before = everything(engine)
    assert fire(engine, since + 2, job, overlap="skip") == Fired(FireReply.KNOWN)
    assert fire(engine, since + 2) == Fired(FireReply.KNOWN)
    assert everything(engine) == before


def test_many_schedulers_at_once(engine: Engine) -> None:
    """Of eight that fire the same twenty times, each time has one winner."""
    since, replies = look(engine), list[str]()

    def run() -> None:
        replies.extend(fire(engine, since + number).reply for number in range(1, 21))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fired = replies.count("fired")
    assert fired == len(places(engine)["queued"]["default"]) == int(known(engine)["fired"])
    assert known(engine)["high_water"] == str(since + 20)
    assert replies.count("known") == 160 - fired


@pytest.mark.parametrize("overlap", ["allow", "skip"])
def test_fire_is_refused_at_maxmemory(engine: Engine, overlap: str) -> None:
    """Nothing has changed, so the time is fired when there is room again."""
    since = look(engine)
    fire(engine, since + 1)
    before = everything(engine)
    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        fire(engine, since + 2, overlap=overlap)
    assert everything(engine) == before
    assert fire(engine, since + 2, overlap="allow").reply == "fired"


def test_key_of_another_type_fires_nothing(engine: Engine) -> None:
    """The next look puts it right."""
    since = look(engine)
    engine.client.redis.set(engine.client.keys("schedule", "nightly"), "nonsense")
    assert fire(engine, since + 1) == Fired(FireReply.KNOWN)
    assert (look(engine) >= since, rules(engine)) == (True, 1)
