"""claim: a slot gets the next job, with a lease and a fence."""

from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.support import payloads
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    counted,
    drop_tokens,
    everything,
    finish,
    full_memory,
    next_ids,
    nothing,
    parts_of,
    places,
    record,
    score,
    tokens,
)

LARGE = 99 * b"x"  # of a payload with a key of its own


def test_run_counts_from_the_call_that_began_it(engine: Engine, slot: Slot, make_job: Make) -> None:
    """After an outage the nonce is old, but not the lease; a repeated call knows no better."""
    make_job()
    slot.sent_at = 1.0
    nonce = slot.nonce
    job = claimed(engine, slot)
    assert job.claim_sent_at > 1.0
    slot.nonce, slot.sent_at = nonce, 1.0
    assert claimed(engine, slot).claim_sent_at == 1.0


def test_queued_job_runs_under_a_lease(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The id moves to the leases; record and slot say who runs it since when."""
    job_id = make_job()
    nonce = slot.nonce

    job = claimed(engine, slot)

    assert places(engine) == {"leases": {"default": [job_id]}}
    assert score(engine, "leases", job_id) == job.attempted_at + 30_000
    fields = record(engine, job_id)
    assert fields.pop("score") == "1000000000000001"
    assert fields.pop("payload").encode() == job.payload
    assert fields == {
        "state": "running",
        "queue": "default",
        "task": "tests.project.tasks.noop",
        "enqueued_at": str(job.enqueued_at),
        "attempted_at": str(job.attempted_at),
        "worker": "worker-1",
        "fence": f"1-{nonce[-8:]}",
    }
    held = engine.client.redis.hgetall(engine.client.keys("slots", "worker-1"))
    assert held == {b"0.0": f"{nonce} default {job_id} {job.fence}".encode()}


def test_claim_returns_all_that_is_needed_to_run(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """The slot asks no second time."""
    job_id = make_job(task="a.b", priority=5, max_attempts=4)

    job = claimed(engine, slot)

    assert (job.id, job.queue, job.task, job.priority, job.max_attempts) == (
        job_id,
        "default",
        "a.b",
        5,
        4,
    )
    assert (job.attempts, job.attempt, job.recoveries, job.runs) == (0, 1, 0, ())
    assert job.started_at == job.attempted_at
    assert job.held_since is None
    assert job.payload is not None


def test_negative_priority_reaches_the_worker(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The task sees the priority that its job has."""
    make_job(priority=-7)
    assert claimed(engine, slot).priority == -7


def test_slots_nonce_is_new_after_each_reply(engine: Engine, slot: Slot) -> None:
    """A reply that arrived ends the life of its nonce."""
    before = slot.nonce
    nothing(engine, slot)
    assert slot.nonce != before


def test_lost_reply_gives_the_same_job_again(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The same nonce means the same claim: no second job is taken."""
    first, second = make_job(), make_job()
    nonce = slot.nonce
    job = claimed(engine, slot)
    before = everything(engine)
    slot.nonce = nonce

    again = claimed(engine, slot)

    assert (again.id, again.fence, again.payload) == (first, job.fence, job.payload)
    assert everything(engine) == before
    assert places(engine) == {"leases": {"default": [first]}, "queued": {"default": [second]}}


def test_lost_reply_of_a_reaped_job_gives_the_next_one(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A job that another slot holds by now does not come back."""
    first, second = make_job(), make_job()
    nonce = slot.nonce
    claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed")
    assert claimed(engine, Slot("worker-2", "0.0")).id == first
    slot.nonce = nonce

    assert claimed(engine, slot).id == second


def test_lost_reply_of_a_run_that_another_slot_took_over(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A worker that was away for a lease gets the next job, not that of its successor."""
    first, second = make_job(), make_job()
    nonce = slot.nonce
    claimed(engine, slot)
    clock.move(31)
    engine.queues.reap(**REAP)
    assert claimed(engine, Slot("worker-2", "0.0")).id == first
    slot.nonce = nonce

    assert claimed(engine, slot).id == second


def test_lost_reply_of_a_reaped_run_is_a_new_run(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A job that is back in its queue is claimed anew, with a lease and a fence of its own."""
    job_id, nonce = make_job(), slot.nonce
    old = claimed(engine, slot)
    clock.move(31)
    engine.queues.reap(**REAP)
    slot.nonce = nonce

    new = claimed(engine, slot)

    assert (new.id, new.fence == old.fence) == (job_id, False)
    assert places(engine) == {"leases": {"default": [job_id]}}


def test_slots_nonces_rise(engine: Engine) -> None:
    """Over its processes too, so that the order of their calls can be told."""
    nonces = []
    for _ in range(100):
        slot = Slot("worker-1", "0.0")
        nonces += [slot.nonce]
        nothing(engine, slot)
        nonces += [slot.nonce]

    assert nonces == sorted(nonces)
    assert len({nonce[-12:] for nonce in nonces}) == 200


def test_dead_process_claim_costs_no_lease(engine: Engine, make_job: Make) -> None:
    """What it claims after its death goes back when its successor claims, and runs at once."""
    first, second = make_job(), make_job()
    dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    assert engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed_9") == []
    place = score(engine, "queued", first)
    unheard = claimed(engine, dead)

    job = claimed(engine, successor)

    assert (job.id, job.recoveries, job.attempts) == (first, 1, 0)
    assert job.fence.partition("-")[0] == "2"
    assert [(run.outcome, run.fence) for run in job.runs] == [("recovered", unheard.fence)]
    assert places(engine) == {"leases": {"default": [first]}, "queued": {"default": [second]}}
    assert record(engine, first)["score"] == str(place)
    assert engine.inspector.totals() == {"recovered": 1}


def test_successor_that_lost_its_reply_gets_the_same_job(engine: Engine, make_job: Make) -> None:
    """A repeated claim takes nothing back a second time."""
    make_job()
    make_job()
    dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    claimed(engine, dead)
    nonce = successor.nonce
    job = claimed(engine, successor)
    before = everything(engine)
    successor.nonce = nonce

    again = claimed(engine, successor)

    assert (again.id, again.fence) == (job.id, job.fence)
    assert everything(engine) == before


def test_dead_process_job_that_was_to_be_cancelled_is(engine: Engine, make_job: Make) -> None:
    """Its successor gets the next one."""
    first, second = make_job(), make_job()
    dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    claimed(engine, dead)
    engine.jobs.cancel(first, reason="by_hand")

    assert claimed(engine, successor).id == second

    job = engine.inspector.job(first)
    assert (job.state, job.reason) == (State.CANCELLED, "by_hand")
    assert places(engine)["cancelled"] == {"default": [first]}


def test_dead_process_job_lost_too_often_fails(engine: Engine, make_job: Make) -> None:
    """As if its lease had ended."""
    first = make_job(max_recoveries=0)
    dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    claimed(engine, dead)

    nothing(engine, successor)

    job = engine.inspector.job(first)
    assert (job.state, job.reason, job.recoveries) == (State.FAILED, "lost", 1)
    assert "leases" not in places(engine)


def test_dead_process_job_of_another_queue_wakes_others(engine: Engine, make_job: Make) -> None:
    """Its successor serves other queues, or it was paused: it waits where it stood."""
    first = make_job()
    dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    claimed(engine, dead)
    engine.queues.pause("default")
    drop_tokens(engine)

    assert nothing(engine, successor, "b") == NoJob()

    assert places(engine) == {"queued": {"default": [first]}}
    assert tokens(engine) == 1


def test_dead_process_job_goes_back_at_maxmemory(engine: Engine, make_job: Make) -> None:
    """Nothing new is stored by that."""
    first = make_job()
    dead, successor = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    claimed(engine, dead)
    with full_memory(engine):
        assert claimed(engine, successor).id == first


def test_late_claim_leaves_its_slot_alone(engine: Engine, make_job: Make) -> None:
    """Sent before the slot's running job was claimed: it takes neither that nor another."""
    first, _ = make_job(), make_job()
    late, lives = Slot("worker-1", "0.0"), Slot("worker-1", "0.0")
    job = claimed(engine, lives)
    before = everything(engine)

    assert nothing(engine, late) == NoJob()

    assert everything(engine) == before
    assert [(held.id, held.lost) for held in engine.leases.renew("worker-1", {"pid": 1}).held] == [
        (first, False)
    ]
    assert finish(engine, lives, job) == "ok"


@pytest.mark.parametrize(("worker", "name"), [("worker-1", "0.1"), ("worker-2", "0.0")])
def test_claim_leaves_other_slots_alone(
    engine: Engine, make_job: Make, worker: str, name: str
) -> None:
    """Threads and other workers are no successors."""
    first, second = make_job(), make_job()
    claimed(engine, Slot("worker-1", "0.0"))

    assert claimed(engine, Slot(worker, name)).id == second
    assert {*places(engine)["leases"]["default"]} == {first, second}


@pytest.mark.parametrize("became", ["succeeded", "reaped", "another's", "deleted"])
def test_claim_leaves_what_its_slot_has_lost_alone(
    engine: Engine, clock: Clock, make_job: Make, became: str
) -> None:
    """Only a job that still runs under the slot's own fence goes back."""
    job_id, slot = make_job(), Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    key = engine.client.keys("slots", "worker-1")
    held = engine.client.redis.hget(key, "0.0")
    if became in ("succeeded", "deleted"):
        finish(engine, slot, job)
    else:
        clock.move(31)
        engine.queues.reap(**REAP)
    if became == "deleted":
        engine.jobs.delete(job_id)
    elif became == "another's":
        claimed(engine, Slot("worker-2", "0.0"))
    engine.client.redis.hset(key, "0.0", held)
    before = everything(engine)

    nothing(engine, slot, "b")

    before.pop("slots:worker-1")
    assert everything(engine) == before


def test_one_job_goes_to_one_of_two_slots(engine: Engine, make_job: Make) -> None:
    """Who comes second gets nothing."""
    job_id = make_job()
    assert claimed(engine, Slot("worker-1", "0.0")).id == job_id
    assert nothing(engine, Slot("worker-1", "0.1")) == NoJob()


def test_each_run_has_its_own_fence(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The fence counts the runs and names the claim."""
    make_job()
    fences = []
    for _ in range(3):
        job = claimed(engine, slot)
        fences.append(job.fence)
        finish(engine, slot, job, RELEASED)

    assert [fence.partition("-")[0] for fence in fences] == ["1", "2", "3"]
    assert len({fence.partition("-")[2] for fence in fences}) == 3


def test_earlier_runs_come_with_the_job(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The worker knows all errors so far, oldest first."""
    make_job(max_attempts=5)
    finish(engine, slot, claimed(engine, slot), RETRIED)
    clock.move(61)
    finish(engine, slot, claimed(engine, slot), RELEASED)

    job = claimed(engine, slot)

    assert [run.outcome for run in job.runs] == ["retried", "released"]
    assert (job.attempts, job.attempt) == (1, 2)
    assert job.started_at is not None
    assert job.started_at < job.attempted_at


def test_higher_priority_goes_first(engine: Engine, make_job: Make) -> None:
    """Within a priority the order is that of arrival, exactly."""
    ids = {(p, n): make_job(priority=p) for n in range(3) for p in (0, 100, -100, 1, -1)}

    got = next_ids(engine, len(ids))

    assert got == [ids[p, n] for p in (100, 1, 0, -1, -100) for n in range(3)]


def test_order_is_exact_at_a_high_sequence(engine: Engine, make_job: Make) -> None:
    """After a trillion jobs the places are still whole numbers apart."""
    engine.client.redis.set(engine.client.keys("sequence"), 9_000_000_000_000)
    ids = [make_job(priority=-100) for _ in range(5)]

    assert next_ids(engine, 5) == ids


def test_queues_are_tried_in_order(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The first queue is emptied first, whatever the priorities in the second."""
    low = make_job(queue="b", priority=100)
    high = [make_job(queue="a", priority=-100) for _ in range(2)]

    assert next_ids(engine, 3, "a", "b") == [*high, low]
    assert nothing(engine, slot, "a", "b") == NoJob()


@pytest.mark.parametrize("queues", [("a", "b"), ("b", "a")])
def test_empty_claim_tells_the_first_due_time_of_all_queues(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, queues: tuple[str, ...]
) -> None:
    """The slot sleeps until then, whichever queue it is in."""
    make_job(queue="a", due=timedelta(minutes=1))
    make_job(queue="b", due=timedelta(minutes=2))
    wait = nothing(engine, slot, *queues).wait_ms
    assert wait is not None
    assert 30_000 < wait <= 60_000


def test_wait_is_never_negative(engine: Engine, slot: Slot) -> None:
    """More ids that are due and can't run than one claim puts away: the next one is due at once."""
    client, keys = engine.client.redis, engine.client.keys
    strays = {f"stray-{number:02}": 1 for number in range(51)}
    client.zadd(keys("scheduled", "default"), strays)
    client.zadd(keys("due"), {"default": 1})
    client.hset(keys("meta"), "due", 1)
    assert nothing(engine, slot).wait_ms == 0
    client.flushall()


def test_slot_of_no_queues_is_refused(engine: Engine, slot: Slot, make_job: Make) -> None:
    make_job()
    with pytest.raises(QueueUnavailable, match=r'queues is ""; it must be at least one name'):
        engine.claims.claim(slot, [])


def test_only_the_given_queues_are_served(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A worker's queues are its own choice."""
    job_id = make_job(queue="other")

    assert nothing(engine, slot) == NoJob()
    assert places(engine) == {"queued": {"other": [job_id]}}


def test_paused_queue_is_passed_over(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Neither its queued nor its due jobs are claimed."""
    queued, due = make_job(), make_job(due=1000)
    other = make_job(queue="b")
    engine.queues.pause("default")

    assert claimed(engine, slot, "default", "b").id == other
    assert nothing(engine, Slot("worker-1", "0.1"), "default", "b") == NoJob()
    assert places(engine) == {
        "queued": {"default": [queued, due]},
        "leases": {"b": [other]},
    }


def test_due_jobs_join_the_queue(engine: Engine, clock: Clock, make_job: Make) -> None:
    """A claim promotes what is due, behind what already waits."""
    late = make_job(due=timedelta(hours=2))
    due = [make_job(due=timedelta(minutes=n)) for n in (2, 1)]
    waits = make_job()
    clock.move(3600)

    assert next_ids(engine, 3) == [waits, due[1], due[0]]
    assert places(engine)["scheduled"] == {"default": [late]}


def test_due_job_keeps_its_priority(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A due job of high priority overtakes what waits."""
    due = make_job(due=timedelta(minutes=1), priority=1)
    make_job()
    clock.move(61)

    assert claimed(engine, slot).id == due


def test_claim_promotes_fifty_due_jobs_at_most(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """One call's work is bounded."""
    for _ in range(60):
        make_job(due=timedelta(seconds=1))
    clock.move(2)

    claimed(engine, slot)

    found = places(engine)
    assert {index: len(ids["default"]) for index, ids in found.items()} == {
        "leases": 1,
        "queued": 49,
        "scheduled": 10,
    }


def test_empty_claim_tells_when_to_come_back(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The wait is that of the earliest due job over all queues."""
    assert nothing(engine, slot).wait_ms is None
    make_job(due=timedelta(seconds=100))
    make_job(queue="b", due=timedelta(seconds=50))

    found = nothing(engine, slot, "default", "b")

    assert found.wait_ms is not None
    assert 20_000 < found.wait_ms <= 50_000
    assert not found.more


def test_claim_that_leaves_more_passes_a_token_on(engine: Engine, make_job: Make) -> None:
    """The next slot wakes although the tokens are gone."""
    slots = [Slot("worker-1", f"0.{number}") for number in range(3)]
    for _ in slots:
        make_job()
    drop_tokens(engine)

    claimed(engine, slots[0])
    assert tokens(engine) == 1
    claimed(engine, slots[1])
    assert tokens(engine) == 1
    drop_tokens(engine)
    claimed(engine, slots[2])
    assert tokens(engine) == 0


def test_claim_that_leaves_one_passes_a_token_on(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """As for many: nobody else tells of the last one."""
    for _ in range(2):
        make_job()
    drop_tokens(engine)
    claimed(engine, slot)
    assert tokens(engine) == 1


def test_empty_claim_takes_the_tokens_away(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Surplus tokens cost one empty claim, not sixty."""
    engine.jobs.cancel(make_job())
    engine.jobs.cancel(make_job(queue="b"))
    assert (tokens(engine), tokens(engine, "b")) == (1, 1)

    nothing(engine, slot, "default", "b")

    assert (tokens(engine), tokens(engine, "b")) == (0, 0)


def test_empty_claim_clears_the_slot(engine: Engine, slot: Slot, make_job: Make) -> None:
    """An idle slot holds nothing."""
    make_job()
    finish(engine, slot, claimed(engine, slot))
    nothing(engine, slot)
    assert not engine.client.redis.exists(engine.client.keys("slots", slot.worker))


def test_empty_claim_clears_the_slot_of_a_lost_run(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A run that was reaped is not told as lost for ever."""
    make_job()
    claimed(engine, slot)
    clock.move(31)
    engine.queues.reap(**REAP)
    claimed(engine, Slot("worker-2", "0.0"))

    nothing(engine, slot)

    assert engine.leases.renew(slot.worker, {"pid": 1}).held == []


def test_job_without_record_ends_as_failed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """An id whose hash is gone is shown as damaged, and the next job runs."""
    gone, next_one = make_job(), make_job()
    engine.client.redis.delete(engine.client.keys("job", gone))

    assert claimed(engine, slot).id == next_one
    assert places(engine) == {"failed": {"default": [gone]}, "leases": {"default": [next_one]}}
    assert engine.inspector.job(gone).reason == "damaged"
    assert engine.inspector.totals() == {"damaged": 1}


def test_record_of_another_type_ends_as_failed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A string where the hash should be is replaced by the record of a failure."""
    broken, next_one = make_job(), make_job()
    engine.client.redis.set(engine.client.keys("job", broken), "nonsense")

    assert claimed(engine, slot).id == next_one
    assert places(engine) == {"failed": {"default": [broken]}, "leases": {"default": [next_one]}}
    assert record(engine, broken)["reason"] == "damaged"


def test_damaged_job_keeps_the_time_at_which_it_was_stored(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """It tells for how long nobody ran it."""
    broken = make_job()
    engine.client.redis.hdel(engine.client.keys("job", broken), "state")
    stored = record(engine, broken)["enqueued_at"]
    clock.move(60)

    nothing(engine, slot)
    found = record(engine, broken)
    assert (found["state"], found["enqueued_at"]) == ("failed", stored)


def test_record_without_state_ends_as_failed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """What is left of the record stays for people to see, and the task's index lists it."""
    broken = make_job(task="a.b")
    engine.client.redis.hdel(engine.client.keys("job", broken), "state")

    assert nothing(engine, slot) == NoJob()
    assert places(engine) == {"failed": {"default": [broken]}, "failed-of": {"a.b": [broken]}}
    assert engine.inspector.job(broken).task == "a.b"


def test_missing_payload_reaches_the_worker_as_none(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """The executor, which verifies payloads, fails the job with the reason."""
    job_id = make_job()
    payloads.drop(engine, job_id)

    job = claimed(engine, slot)
    assert (job.id, job.payload) == (job_id, None)

    finish(engine, slot, job, FAILED)
    engine.jobs.delete(job_id)


@pytest.mark.parametrize("kind", ["payload", "attempts"])
def test_part_of_another_type_does_not_hold_the_slot(
    engine: Engine, slot: Slot, make_job: Make, kind: str
) -> None:
    """A damaged part costs its own job, not the slot that claims it."""
    job_id = make_job(data=LARGE)
    finish(engine, slot, claimed(engine, slot), RELEASED)
    client, key = engine.client.redis, engine.client.keys(kind, job_id)
    client.delete(key)
    client.hset(key, "not", "it")

    try:
        engine.claims.claim(slot, ["default"])
        engine.claims.claim(slot, ["default"])
    finally:
        client.delete(*parts_of(engine.client.keys, job_id))
        for index in ("queued", "leases", "failed"):
            client.zrem(engine.client.keys(index, "default"), job_id)


def test_due_job_of_another_type_does_not_stop_the_claim(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A damaged record among the due ones is counted and passed over."""
    broken, next_one = make_job(due=1000), make_job()
    engine.client.redis.set(engine.client.keys("job", broken), "nonsense")

    assert claimed(engine, slot).id == next_one


def test_due_job_without_record_is_not_forgotten(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """It ends as failed like one that was queued, so that people see it."""
    gone = make_job(due=1000)
    engine.client.redis.delete(engine.client.keys("job", gone))

    nothing(engine, slot)

    assert places(engine) == {"failed": {"default": [gone]}}
    assert engine.inspector.totals() == {"damaged": 1}


def test_id_of_a_job_elsewhere_is_dropped(engine: Engine, slot: Slot, job_in: Make) -> None:
    """An id that stands in two indexes counts where its record says."""
    stray = job_in(State.SUCCEEDED)
    engine.client.redis.zadd(engine.client.keys("queued", "default"), {stray: 1})

    assert nothing(engine, slot) == NoJob()
    assert places(engine) == {"succeeded": {"default": [stray]}}
    assert engine.inspector.totals() == {}


def test_after_fifty_ids_the_claim_answers_more(engine: Engine, slot: Slot, make_job: Make) -> None:
    """One call's work is bounded; the slot calls again at once."""
    client, keys = engine.client.redis, engine.client.keys
    for number in range(60):
        client.zadd(keys("queued", "default"), {f"gone-{number:02}": number})
    job_id = make_job()

    assert nothing(engine, slot) == NoJob(more=True)
    assert counted(engine, "failed") == 50
    assert claimed(engine, slot).id == job_id
    assert engine.inspector.totals() == {"damaged": 60}


def test_claim_works_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """What is stored can be run, which is how memory gets free."""
    queued, due = make_job(), make_job(due=1000)

    with full_memory(engine):
        assert claimed(engine, slot).id == queued
        assert claimed(engine, Slot("worker-1", "0.1")).id == due
        assert nothing(engine, Slot("worker-1", "0.2")) == NoJob()


def test_flushed_scripts_are_loaded_again(engine: Engine, slot: Slot, make_job: Make) -> None:
    """SCRIPT FLUSH before a claim is invisible."""
    job_id = make_job()
    engine.client.redis.script_flush()
    assert claimed(engine, slot).id == job_id


@pytest.mark.parametrize("damage", ["9" * 20, "-" + "9" * 20, "noon", ""])
def test_damaged_numbers_count_as_missing(
    engine: Engine, slot: Slot, make_job: Make, damage: str
) -> None:
    """Also those that no date has: they would end the process."""
    job_id = make_job()
    names = ("enqueued_at", "started_at", "nominal", "held_since", "attempts", "priority")
    engine.client.redis.hset(
        engine.client.keys("job", job_id), mapping=dict.fromkeys(names, damage)
    )

    job = claimed(engine, slot)

    assert (job.enqueued_at, job.started_at, job.nominal_at) == (0, job.attempted_at, None)
    assert (job.held_since, job.attempts, job.priority) == (None, 0, 0)


def test_slot_of_all_queues_passes_over_names_without_work(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """20 of them a call: a script that broke may have left any number."""
    make_job(queue="z")
    client, work = engine.client.redis, engine.client.keys("work")
    client.zadd(work, {f"q{number:02}": number for number in range(20)})
    assert engine.claims.claim(slot, [ALL_QUEUES]) == NoJob(more=True)
    job = engine.claims.claim(slot, [ALL_QUEUES])
    assert isinstance(job, Job)
    assert (job.queue, client.zcard(work)) == ("z", 0)


def test_slot_of_all_queues_takes_them_in_turn(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """`default` first; of the others the one that has waited longest for a slot."""
    for queue in ("b", "a", "default"):
        clock.move(1)
        for _ in range(3):
            make_job(queue=queue)
    taken = []
    for _ in range(9):
        clock.move(1)
        job = claimed(engine, slot, ALL_QUEUES)
        finish(engine, slot, job)
        taken.append(job.queue)
    assert taken == ["default"] * 3 + ["b", "a"] * 3
    assert nothing(engine, slot, ALL_QUEUES) == NoJob()
    assert engine.client.redis.exists(engine.client.keys("work")) == 0


def test_paused_queue_is_no_queue_of_all(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Nor is `default`, and what is stored meanwhile waits until it is resumed."""
    for queue in ("default", "b"):
        engine.queues.pause(queue)
        make_job(queue=queue)
    free = make_job(queue="c")
    assert claimed(engine, slot, ALL_QUEUES).id == free
    assert nothing(engine, Slot("worker-1", "0.1"), ALL_QUEUES) == NoJob()
    drop_tokens(engine, "b", "*")
    engine.queues.resume("b")
    assert (tokens(engine, "b"), tokens(engine, "*")) == (1, 1)
    assert claimed(engine, Slot("worker-1", "0.2"), ALL_QUEUES).queue == "b"


def test_token_goes_on_to_each_list_that_needs_one(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A slot of two queues that took b's token and a's job wakes the sleepers of b."""
    for queue in ("a", "b"):
        make_job(queue=queue)
    drop_tokens(engine, "b", "*")  # the token of b was taken by the slot that claims now
    assert claimed(engine, slot, "a", "b").queue == "a"
    assert (tokens(engine, "b"), tokens(engine, "*")) == (1, 0)


def test_many_jobs_of_one_call_wake_slots_in_a_chain(engine: Engine, make_job: Make) -> None:
    """Each slot that is woken passes the token on while there is work."""
    engine.jobs.enqueue([new_job(new_id(), "default", "a.b", b"payload") for _ in range(5)])
    for number in range(4):
        assert tokens(engine, "*") == 1
        drop_tokens(engine, "*")
        claimed(engine, Slot("worker-1", f"0.{number}"), ALL_QUEUES)
    drop_tokens(engine, "*")
    claimed(engine, Slot("worker-1", "0.9"), ALL_QUEUES)
    assert tokens(engine, "*") == 0
