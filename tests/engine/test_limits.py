"""Limits: a job that finds its key full waits, and is admitted when a place is free."""

import os
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    drop_tokens,
    everything,
    finish,
    full_memory,
    nothing,
    places,
    record,
    score,
    tokens,
)

ONE = ("1w:k",)


def slots(many: int) -> list[Slot]:
    return [Slot("worker-1", f"{number}.0") for number in range(many)]


def state(engine: Engine, job_id: str) -> State:
    return engine.inspector.job(job_id).state


def members(engine: Engine, kind: str, key: str = "k") -> list[str]:
    found = engine.client.redis.zrange(engine.client.keys(kind, key), 0, -1)
    return [job_id.decode() for job_id in found]


def busy(engine: Engine, make_job: Make, waiting: int = 1, **given: Any) -> tuple[Job, list[str]]:
    """Return a running job of the key k, and the ids of others that wait for it."""
    given = {"limits": ONE} | given
    make_job(limits=ONE)
    job = claimed(engine, Slot("worker-1", "0.0"))
    ids = [make_job(**given) for _ in range(waiting)]
    assert nothing(engine, Slot("worker-1", "9.0"), given.get("queue", "default")) == NoJob()
    assert places(engine)["waiting"] == {given.get("queue", "default"): ids}
    return job, ids


# Claim


def test_second_job_of_a_key_waits(engine: Engine, make_job: Make) -> None:
    """It holds no slot, and the next job of the queue is claimed instead."""
    first, second, other = make_job(limits=ONE), make_job(limits=ONE), make_job()
    place = score(engine, "queued", second)
    a, b, c = slots(3)
    assert claimed(engine, a).id == first
    assert claimed(engine, b).id == other
    assert nothing(engine, c) == NoJob()
    assert state(engine, second) is State.WAITING
    assert score(engine, "waiting", second) == place
    assert engine.inspector.job(second).parked == "k"
    assert engine.inspector.count(State.WAITING) == 1


def test_as_many_run_as_may(engine: Engine, make_job: Make) -> None:
    for _ in range(3):
        make_job(limits=("2w:k",))
    a, b, c = slots(3)
    claimed(engine, a)
    claimed(engine, b)
    assert nothing(engine, c) == NoJob()


def test_other_keys_are_free(engine: Engine, make_job: Make) -> None:
    ids = [make_job(limits=(f"1w:{key}",)) for key in "abc"]
    assert [claimed(engine, slot).id for slot in slots(3)] == ids


def test_later_jobs_are_stored_waiting(engine: Engine, make_job: Make) -> None:
    """A busy key makes no claim walk, and no slot wakes for nothing."""
    busy(engine, make_job)
    drop_tokens(engine)
    later = make_job(limits=ONE)
    assert state(engine, later) is State.WAITING
    assert tokens(engine) == 0
    assert len(members(engine, "parked")) == 2


def test_stored_waiting_once(engine: Engine, make_job: Make) -> None:
    """A repeated enqueue changes nothing."""
    _, (waits,) = busy(engine, make_job)
    job = engine.inspector.job(waits)
    before = everything(engine)
    engine.jobs.enqueue([job])
    assert everything(engine) == before


def test_fifty_move_in_a_call(engine: Engine, make_job: Make) -> None:
    make_job(limits=ONE)
    claimed(engine, Slot("worker-1", "0.0"))
    for _ in range(60):
        make_job(limits=ONE)
    last = make_job()
    slot = Slot("worker-1", "1.0")
    assert nothing(engine, slot) == NoJob(more=True)
    assert engine.inspector.count(State.WAITING) == 50
    assert claimed(engine, slot).id == last


def test_repeated_claim_takes_one_place(engine: Engine, make_job: Make) -> None:
    make_job(limits=("2w:k",))
    slot = Slot("worker-1", "0.0")
    nonce = slot.nonce
    first = claimed(engine, slot)
    before = everything(engine)
    slot.nonce = nonce
    assert claimed(engine, slot).id == first.id
    assert everything(engine) == before
    assert members(engine, "places") == [first.id]


def test_place_that_a_broken_claim_took_is_the_job_s_own(engine: Engine, make_job: Make) -> None:
    job_id = make_job(limits=ONE)
    engine.client.redis.zadd(engine.client.keys("places", "k"), {job_id: 1})
    assert claimed(engine, Slot("worker-1", "0.0")).id == job_id


def test_any_queue(engine: Engine, make_job: Make) -> None:
    """A slot that serves all queues, and a key that two of them share."""
    make_job("a.b", "x", limits=ONE)
    waits, free = make_job("a.b", "y", limits=ONE), make_job("a.b", "z")
    a, b, c = slots(3)
    claimed(engine, a, ALL_QUEUES)
    assert claimed(engine, b, ALL_QUEUES).id == free
    assert nothing(engine, c, ALL_QUEUES) == NoJob()
    assert state(engine, waits) is State.WAITING


# A place is free


@pytest.mark.parametrize("end", [DONE, FAILED, RETRIED, RELEASED])
def test_end_of_a_run_admits_the_first(engine: Engine, make_job: Make, end: Any) -> None:
    """And wakes a slot for it."""
    job, (first, second) = busy(engine, make_job, 2)
    drop_tokens(engine)
    finish(engine, Slot("worker-1", "0.0"), job, end)
    assert state(engine, first) is State.QUEUED
    assert state(engine, second) is State.WAITING
    assert tokens(engine) == 1


def test_finish_claims_what_it_admits(engine: Engine, make_job: Make) -> None:
    job, ids = busy(engine, make_job, 3)
    slot = Slot("worker-1", "0.0")
    for wanted in ids:
        found = engine.claims.finish(slot, job, DONE, ["default"]).next
        assert isinstance(found, Job)
        assert found.id == wanted
        job = found
    assert members(engine, "parked") == []
    assert "parked" not in record(engine, job.id)


def test_released_job_comes_before_those_that_wait(engine: Engine, make_job: Make) -> None:
    """It was there first."""
    job, (first,) = busy(engine, make_job)
    finish(engine, Slot("worker-1", "0.0"), job, RELEASED)
    a, b = slots(2)
    assert claimed(engine, a).id == job.id
    assert nothing(engine, b) == NoJob()
    assert state(engine, first) is State.WAITING


def test_order_is_kept_with_priorities(engine: Engine, make_job: Make) -> None:
    job, (low, other) = busy(engine, make_job, 2)
    high = make_job(limits=ONE, priority=5)
    assert state(engine, high) is State.WAITING
    slot, order = Slot("worker-1", "0.0"), []
    for _ in range(3):
        found = engine.claims.finish(slot, job, DONE, ["default"]).next
        assert isinstance(found, Job)
        order.append(found.id)
        job = found
    assert order == [high, low, other]


def test_cancelled_run_frees_its_place_when_it_ends(engine: Engine, make_job: Make) -> None:
    job, (first,) = busy(engine, make_job)
    engine.jobs.cancel(job.id)
    assert state(engine, first) is State.WAITING
    finish(engine, Slot("worker-1", "0.0"), job, RETRIED)
    assert state(engine, first) is State.QUEUED


def test_lost_worker_holds_its_place_until_its_lease_ends(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    job, (first,) = busy(engine, make_job)
    engine.leases.forget("worker-1")
    clock.move(29)
    engine.queues.reap(**REAP)
    engine.limits.admit()
    assert state(engine, first) is State.WAITING
    clock.move(2)
    engine.queues.reap(**REAP)
    assert state(engine, first) is State.QUEUED
    assert claimed(engine, Slot("worker-2", "0.0")).id == job.id


def test_released_slot_frees_its_place(engine: Engine, make_job: Make) -> None:
    _, (first,) = busy(engine, make_job)
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed_9")
    assert state(engine, first) is State.QUEUED


def test_lost_process_frees_its_place(engine: Engine, make_job: Make) -> None:
    """The next process of its slot claims."""
    job, (first,) = busy(engine, make_job)
    assert claimed(engine, Slot("worker-1", "0.0")).id == job.id
    assert members(engine, "places") == [job.id]
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob()
    assert state(engine, first) is State.WAITING


def test_late_finish_frees_nothing(engine: Engine, clock: Clock, make_job: Make) -> None:
    """Its job runs elsewhere by now."""
    job, (first,) = busy(engine, make_job)
    clock.move(31)
    engine.queues.reap(**REAP)
    again = claimed(engine, Slot("worker-2", "0.0"))
    assert again.id == job.id
    assert nothing(engine, Slot("worker-2", "1.0")) == NoJob()
    assert finish(engine, Slot("worker-1", "0.0"), job) == "stale"
    assert members(engine, "places") == [job.id]
    assert state(engine, first) is State.WAITING


def test_repeated_finish_admits_once(engine: Engine, make_job: Make) -> None:
    job, _ = busy(engine, make_job, 3)
    slot = Slot("worker-1", "0.0")
    finish(engine, slot, job)
    before = everything(engine)
    assert finish(engine, slot, job) == "repeated"
    assert everything(engine) == before


def test_full_server_admits(engine: Engine, make_job: Make) -> None:
    job, (first,) = busy(engine, make_job)
    with full_memory(engine):
        finish(engine, Slot("worker-1", "0.0"), job)
        assert claimed(engine, Slot("worker-1", "1.0")).id == first


# A waiting job goes another way


@pytest.mark.parametrize("way", ["cancel", "delete", "settle"])
def test_waiting_job_leaves_its_key(engine: Engine, make_job: Make, way: str) -> None:
    job, (first, second) = busy(engine, make_job, 2, round=1)
    if way == "settle":
        engine.unsettled.settle(first, 1, State.FAILED, "by_row", "")
    else:
        getattr(engine.jobs, way)(first)
    assert members(engine, "parked") == [second]
    assert places(engine)["waiting"] == {"default": [second]}
    finish(engine, Slot("worker-1", "0.0"), job)
    assert claimed(engine, Slot("worker-1", "1.0")).id == second


@pytest.mark.parametrize("way", ["cancel", "delete", "settle", "expire"])
def test_admitted_job_that_never_starts_leaves_its_turn(
    engine: Engine, clock: Clock, make_job: Make, way: str
) -> None:
    job, (first, second, third) = busy(engine, make_job, 3, round=1, expires="+60000")
    make_job(limits=ONE)
    finish(engine, Slot("worker-1", "0.0"), job)
    assert state(engine, first) is State.QUEUED
    if way == "expire":
        engine.client.redis.hdel(engine.client.keys("job", second), "expires")
        clock.move(61)
        assert claimed(engine, Slot("worker-1", "1.0")).id == second
        assert state(engine, third) is State.WAITING
        return
    if way == "settle":
        engine.unsettled.settle(first, 1, State.FAILED, "by_row", "")
    else:
        getattr(engine.jobs, way)(first)
    assert state(engine, second) is State.QUEUED
    assert state(engine, third) is State.WAITING


def test_repeated_cancel_admits_once(engine: Engine, make_job: Make) -> None:
    job, (first, *_) = busy(engine, make_job, 4)
    finish(engine, Slot("worker-1", "0.0"), job)
    engine.jobs.cancel(first)
    before = everything(engine)
    engine.jobs.cancel(first)
    assert everything(engine) == before


def test_waiting_job_is_not_requeued(engine: Engine, make_job: Make) -> None:
    _, (first,) = busy(engine, make_job)
    assert engine.jobs.requeue(first) is State.WAITING


def test_requeued_job_waits_like_others(engine: Engine, make_job: Make) -> None:
    done = make_job(limits=ONE)
    slot = Slot("worker-1", "0.0")
    finish(engine, slot, claimed(engine, slot))
    busy(engine, make_job)
    engine.jobs.requeue(done)
    assert nothing(engine, Slot("worker-1", "2.0")) == NoJob()
    assert state(engine, done) is State.WAITING


def test_scheduled_job_waits_when_it_is_due(engine: Engine, clock: Clock, make_job: Make) -> None:
    busy(engine, make_job)
    later = make_job(limits=ONE, due=timedelta(minutes=1))
    assert state(engine, later) is State.SCHEDULED
    clock.move(20)
    engine.leases.renew("worker-1", {})
    clock.move(41)
    engine.leases.renew("worker-1", {})
    assert nothing(engine, Slot("worker-1", "2.0")) == NoJob()
    assert state(engine, later) is State.WAITING


# Pauses


def test_paused_queue_does_not_hold_up_a_key(engine: Engine, make_job: Make) -> None:
    """Its jobs come first again when it is resumed."""
    job, (first,) = busy(engine, make_job, queue="a")
    other = make_job(queue="b", limits=ONE)
    engine.queues.pause("a")
    finish(engine, Slot("worker-1", "0.0"), job)
    running = claimed(engine, Slot("worker-1", "1.0"), "a", "b")
    assert running.id == other
    last = make_job(queue="b", limits=ONE)
    engine.queues.resume("a")
    assert nothing(engine, Slot("worker-1", "2.0"), "a", "b") == NoJob()
    assert members(engine, "parked") == [first, last]
    finish(engine, Slot("worker-1", "1.0"), running)
    assert claimed(engine, Slot("worker-1", "2.0"), "a", "b").id == first


# Several keys


def test_all_places_or_none(engine: Engine, make_job: Make) -> None:
    """A job that waits for one key takes no place on the other."""
    make_job(limits=("1w:b",))
    a, b, c, d = slots(4)
    holder = claimed(engine, a)
    both = make_job(limits=("1w:a", "1w:b"))
    assert nothing(engine, b) == NoJob()
    assert engine.inspector.job(both).parked == "b"
    single = make_job(limits=("1w:a",))
    found = claimed(engine, b)
    assert found.id == single
    finish(engine, a, holder)
    assert state(engine, both) is State.QUEUED
    assert nothing(engine, c) == NoJob()
    assert engine.inspector.job(both).parked == "a"
    finish(engine, b, found)
    assert claimed(engine, d).id == both
    assert members(engine, "places", "a") == members(engine, "places", "b") == [both]


def test_admitted_job_that_finds_its_other_key_full_leaves_its_turn(
    engine: Engine, make_job: Make
) -> None:
    """And the slot is told to claim again, not to sleep."""
    make_job(queue="x", limits=("1w:a",))
    make_job(queue="x", limits=("1w:b",))
    a, b, c = slots(3)
    on_a, _ = claimed(engine, a, "x"), claimed(engine, b, "x")
    both = make_job(queue="y", limits=("1w:a", "1w:b"))
    only = make_job(queue="x", limits=("1w:a",))
    assert nothing(engine, c, "y", "x") == NoJob()
    assert members(engine, "parked", "a") == [both, only]
    finish(engine, a, on_a)
    assert nothing(engine, c, "x", "y") == NoJob(more=True)
    assert engine.inspector.job(both).parked == "b"
    assert claimed(engine, c, "x", "y").id == only


# When: skip, cancel_older


def test_skipped_job_ends_cancelled(engine: Engine, make_job: Make) -> None:
    busy(engine, make_job)
    skipped, after = make_job(limits=("1s:k",)), make_job()
    assert state(engine, skipped) is State.QUEUED
    assert claimed(engine, Slot("worker-1", "1.0")).id == after
    job = engine.inspector.job(skipped)
    assert (job.state, job.reason) == (State.CANCELLED, "limit")
    assert list(engine.queues.pop_ended(10)) == [skipped]


def test_lost_place_skips_nobody(engine: Engine, make_job: Make) -> None:
    """A broken script left it, and maintenance looks only where jobs wait."""
    engine.client.redis.zadd(engine.client.keys("places", "k"), {"gone": 1})
    job_id = make_job(limits=("1s:k",))
    job = claimed(engine, Slot("worker-1", "0.0"))
    assert job.id == job_id
    assert members(engine, "places") == [job_id]
    finish(engine, Slot("worker-1", "0.0"), job)


def test_lost_place_holds_others_until_maintenance_looks(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """They can wait; a claim does not look for the runs of their key."""
    engine.client.redis.zadd(engine.client.keys("places", "k"), {"gone": 1})
    job_id = make_job(limits=ONE)
    assert nothing(engine, Slot("worker-1", "0.0")) == NoJob()
    clock.move(1)
    engine.limits.admit()
    assert claimed(engine, Slot("worker-1", "0.0")).id == job_id


def test_job_that_was_begun_is_not_skipped(engine: Engine, make_job: Make) -> None:
    """A retry, or a job whose worker was lost, waits."""
    again = make_job(limits=("1s:k",))
    slot = Slot("worker-1", "0.0")
    finish(engine, slot, claimed(engine, slot), RETRIED._replace(delay_ms=0))
    make_job(limits=ONE, priority=9)
    claimed(engine, slot)
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob()
    assert state(engine, again) is State.WAITING


def test_newer_job_cancels_older_ones(engine: Engine, make_job: Make) -> None:
    """Those that wait, whatever for, and it tells the one that runs to end."""
    newest = ("1o:k",)
    runs = make_job(limits=newest)
    job = claimed(engine, Slot("worker-1", "0.0"))
    later = make_job(limits=newest, due=timedelta(hours=1))
    other_key = make_job(limits=("1o:z",))
    assert state(engine, later) is State.SCHEDULED
    queued = make_job(queue="b", limits=newest)
    last = make_job(limits=newest)
    assert state(engine, runs) is State.RUNNING
    assert engine.inspector.job(runs).cancel == "superseded"
    assert members(engine, "older") == [runs, last]
    for job_id in (later, queued):
        ended = engine.inspector.job(job_id)
        assert (ended.state, ended.reason) == (State.CANCELLED, "superseded")
    assert claimed(engine, Slot("worker-1", "1.0")).id == other_key
    assert not nothing(engine, Slot("worker-1", "2.0")).more
    assert state(engine, last) is State.WAITING
    finish(engine, Slot("worker-1", "0.0"), job, RETRIED)
    assert engine.inspector.job(runs).reason == "superseded"
    assert claimed(engine, Slot("worker-1", "2.0")).id == last


def test_older_ones_are_numbered_like_places(engine: Engine, make_job: Make) -> None:
    """One count numbers all that keeps an order."""
    job_id = make_job(limits=("1o:k",))
    assert engine.client.redis.zscore(engine.client.keys("older", "k"), job_id) == 1
    assert score(engine, "queued", job_id) == 10**15 + 2


def test_jobs_of_one_call_cancel_one_another(engine: Engine, make_job: Make) -> None:
    """The last one stays."""
    from django_jobqueue.jobs.job import new_id  # noqa: PLC0415
    from tests.support.jobs import new_job  # noqa: PLC0415

    jobs = [new_job(new_id(), limits=("1o:k",)) for _ in range(5)]
    engine.jobs.enqueue(jobs)
    before = everything(engine)
    engine.jobs.enqueue(jobs)
    assert everything(engine) == before
    assert places(engine)["queued"] == {"default": [jobs[-1].id]}
    assert engine.inspector.count(State.CANCELLED) == 4


@pytest.mark.parametrize("word", ["1w:x1o:k", "1s:1o:k", "=2w:=1o:k", "5r1000.5:1o:k"])
def test_key_that_looks_like_a_limit_is_none(engine: Engine, make_job: Make, word: str) -> None:
    """Its text may come from whoever fills in a form."""
    first = make_job(limits=("1o:k",))
    second = make_job(limits=(word,))
    assert state(engine, first) is state(engine, second) is State.QUEUED
    third = make_job(limits=("1w:place", word))
    running = [claimed(engine, slot) for slot in slots(2)]
    assert [job.id for job in running] == [first, second]
    finish(engine, slots(2)[1], running[1])
    assert members(engine, "places") == [first]
    assert claimed(engine, Slot("worker-1", "2.0")).id == third


@pytest.mark.parametrize(
    "word",
    ["", "w:k", "1w:", "0w:k", "-1w:k", "1x:k", "1w5:k", "==1w:k", "12345678w:k", "1r:k", "1r5:k",
     "1r0.1:k", f"5r{10**9}.1:k", f"5r1000.{10**8}:k", "1w:a nonsense", "1w:k " * 7],
)  # fmt: skip
def test_bad_words_are_named(engine: Engine, make_job: Make, word: str) -> None:
    """Another client's mistake parks no job for ever, and breaks no claim."""
    with pytest.raises(QueueUnavailable, match=r"limits is .*it must be at most 6 words such as"):
        make_job(limits=(word or " ",))
    assert places(engine) == {}


def test_late_repeat_cancels_nothing_newer(engine: Engine, make_job: Make) -> None:
    first = make_job(limits=("1o:k",))
    job = engine.inspector.job(first)
    second = make_job(limits=("1o:k",))
    engine.jobs.enqueue([job])
    assert state(engine, second) is State.QUEUED
    assert members(engine, "older") == [second]


def test_older_ones_in_a_key_of_another_type_stop_nobody(engine: Engine, make_job: Make) -> None:
    """No script wrote it; of a repeated call it is read first."""
    job = engine.inspector.job(make_job(limits=("1o:k",)))
    older = engine.client.keys("older", "k")
    engine.client.redis.set(older, "nonsense")
    engine.jobs.enqueue([job])
    engine.client.redis.delete(older)


# Whole queues


def limit_queue(engine: Engine, text: str) -> None:
    engine.client.run("set_limits", queues=text)


def test_limited_queue(engine: Engine, make_job: Make) -> None:
    """Further jobs stay queued, and other queues go on."""
    limit_queue(engine, "mail 2 ")
    for _ in range(3):
        make_job(queue="mail")
    other = make_job(queue="other")
    a, b, c, d = slots(4)
    first = claimed(engine, a, "mail")
    claimed(engine, b, "mail")
    assert nothing(engine, c, "mail") == NoJob()
    assert claimed(engine, c, "mail", "other").id == other
    assert len(places(engine)["queued"]["mail"]) == 1
    finish(engine, a, first)
    claimed(engine, d, "mail")


@pytest.mark.parametrize("queue", ["mail", "default"])
def test_limited_queue_of_slots_that_serve_all(engine: Engine, make_job: Make, queue: str) -> None:
    """A place that is free is found by the next claim, whoever makes it."""
    limit_queue(engine, f"{queue} 1 ")
    make_job(queue=queue)
    a, b, c = slots(3)
    first = claimed(engine, a, ALL_QUEUES)
    waits = make_job(queue=queue)
    assert nothing(engine, b, ALL_QUEUES) == NoJob()
    finish(engine, a, first)
    assert claimed(engine, c, ALL_QUEUES).id == waits


def test_full_queue_gives_no_job_that_becomes_due(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """The claim that promotes it has looked at the limit before."""
    limit_queue(engine, "mail 1 ")
    make_job(queue="mail")
    a, b = slots(2)
    claimed(engine, a, ALL_QUEUES)
    make_job(queue="mail", due=timedelta(seconds=1))
    clock.move(2)
    assert nothing(engine, b, ALL_QUEUES) == NoJob()
    assert len(places(engine)["queued"]["mail"]) == 1


def test_maintenance_takes_full_queues_off_the_list(engine: Engine, make_job: Make) -> None:
    """Slots that serve all queues need not look at them."""
    limit_queue(engine, "mail 1 ")
    for _ in range(2):
        make_job(queue="mail")
    work = engine.client.keys("work")
    claimed(engine, Slot("worker-1", "0.0"), "mail")
    assert engine.client.redis.zrange(work, 0, -1) == [b"mail"]
    engine.limits.admit()
    assert engine.client.redis.zrange(work, 0, -1) == []


def test_maintenance_wakes_slots_of_a_limited_queue(engine: Engine, make_job: Make) -> None:
    limit_queue(engine, "default 1 ")
    make_job()
    a, b = slots(2)
    job = claimed(engine, a)
    make_job()
    nothing(engine, b)
    finish(engine, a, job)
    drop_tokens(engine)
    engine.limits.admit()
    assert tokens(engine) == 1


# Numbers that change


def test_changed_number_holds_for_waiting_jobs(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    job, ids = busy(engine, make_job, 3)
    engine.limits.set_limits({job.task: "3w"})
    clock.move(2)
    engine.limits.admit()
    assert [claimed(engine, slot).id for slot in slots(4)[1:3]] == ids[:2]
    assert nothing(engine, Slot("worker-1", "3.0")) == NoJob()


def test_lowered_number_lets_running_jobs_end(engine: Engine, make_job: Make) -> None:
    given = {"limits": ("3w:k",)}
    make_job(**given)
    a, b, c = slots(3)
    first = claimed(engine, a)
    make_job(**given)
    second = claimed(engine, b)
    engine.limits.set_limits({first.task: "1w"})
    make_job(**given)
    assert nothing(engine, c) == NoJob()
    finish(engine, a, first)
    assert nothing(engine, c) == NoJob()
    finish(engine, b, second)
    claimed(engine, c)


def test_limit_that_the_code_lost_holds_nobody(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    job, ids = busy(engine, make_job, 2)
    engine.limits.set_limits({job.task: "1w"})
    engine.limits.set_limits({job.task: ""})
    clock.move(2)
    engine.limits.admit()
    assert [claimed(engine, slot).id for slot in slots(3)[1:]] == ids


def test_number_of_one_call_is_its_own(engine: Engine, make_job: Make) -> None:
    """`using(concurrency=…)` is not what the task says."""
    job, _ = busy(engine, make_job)
    engine.limits.set_limits({job.task: "1w"})
    engine.jobs.cancel(places(engine)["waiting"]["default"][0])
    engine.limits.admit()
    own = make_job(limits=("=2w:k",))
    assert claimed(engine, Slot("worker-1", "1.0")).id == own


# Many jobs


def test_busy_key_before_other_jobs(engine: Engine) -> None:
    """After one pass no slot is idle while a job could run, and each key keeps its order.

    `BUSY_KEY_JOBS=10000` makes more of it.
    """
    many = int(os.environ.get("BUSY_KEY_JOBS", "1000"))
    keyed = [new_job(new_id(), limits=ONE) for _ in range(many)]
    others = [new_job(new_id()) for _ in range(many // 10)]
    for _ in engine.jobs.enqueue_many([*keyed, *others]):
        pass
    running: dict[str, tuple[Slot, Job]] = {}
    started: list[str] = []
    answers: Counter[str] = Counter()  # the journal: what each claim was told
    idle = slots(20)

    def begin(slot: Slot, found: Job | NoJob) -> None:
        while isinstance(found, NoJob) and found.more:
            answers["more"] += 1
            found = engine.claims.claim(slot, ["default"])
        if isinstance(found, Job):
            answers["job"] += 1
            running[found.id] = slot, found
            started.append(found.id)
            return
        could_run = engine.inspector.count(State.QUEUED)
        could_run += not engine.client.redis.exists(engine.client.keys("places", "k"))
        answers["none while a job could run" if could_run else "none"] += 1
        idle.append(slot)

    for _ in range(20):
        slot = idle.pop(0)
        begin(slot, engine.claims.claim(slot, ["default"]))
    for _ in range(2 * len(others)):
        slot, job = running.pop(next(iter(running)))
        begin(slot, engine.claims.finish(slot, job, DONE, ["default"]).next)
    print(dict(answers))  # noqa: T201 - shown if the test fails
    assert answers["none while a job could run"] == 0
    assert answers["none"] > 0
    wanted = [job.id for job in keyed]
    known = set(wanted)
    begun = [job_id for job_id in started if job_id in known]
    assert begun == wanted[: len(begun)]
    assert {job.id for job in others} < set(started)
    for slot, job in running.values():
        finish(engine, slot, job)
