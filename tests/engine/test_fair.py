"""Fairness: a queue whose jobs have keys serves the keys in turn."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.flows import members, steps
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    claimed,
    finish,
    next_ids,
    record,
    score,
)

Given = object


def store(engine: Engine, keys: Sequence[str], queue: str = "default", **given: Given) -> list[str]:
    """Store one job per key, "-" for none; return their ids."""
    jobs = [
        new_job(new_id(), queue, fair=key.replace("-", ""), **given)  # type: ignore[arg-type]
        for key in keys
    ]
    for at in range(0, len(jobs), 100):
        engine.jobs.enqueue(jobs[at : at + 100])
    return [job.id for job in jobs]


def turns(engine: Engine, most: int = 1000, queue: str = "default") -> str:
    """Run up to so many jobs; return their keys."""
    return "".join(job.fair or "-" for job in runs(engine, most, queue))


def runs(engine: Engine, most: int, queue: str) -> Iterator[Job]:
    slot = Slot("worker-9", "0.0")
    for _ in range(most):
        job = engine.claims.claim(slot, [queue])
        if isinstance(job, NoJob):
            return
        finish(engine, slot, job)
        yield job


def known(engine: Engine, queue: str = "default") -> set[str]:
    """Return what the queue knows of keys."""
    found = engine.client.redis.zrange(engine.client.keys("fair", queue), 0, -1)
    return {member.decode() for member in found}


def queued(engine: Engine, queue: str = "default") -> list[str]:
    found = engine.client.redis.zrange(engine.client.keys("queued", queue), 0, -1)
    return [job_id.decode() for job_id in found]


def fair_queues(engine: Engine) -> str | None:
    found = engine.client.redis.hget(engine.client.keys("meta"), "fair")
    return None if found is None else found.decode()


def test_keys_take_turns(engine: Engine) -> None:
    store(engine, "aaaabbcb")
    assert turns(engine) == "abc" + "ab" + "ab" + "a"


def test_one_key_alone_is_numbered_as_ever(engine: Engine) -> None:
    ids = store(engine, "aaa")
    assert [score(engine, "queued", job_id) for job_id in ids] == [10**15 + n for n in (1, 2, 3)]


def test_queue_without_keys_is_numbered_as_ever(engine: Engine) -> None:
    store(engine, "ab", "fair")
    plain, other = store(engine, "--", "plain")
    assert score(engine, "queued", plain, "plain") == 10**15 + 2  # a and b share the first
    assert next_ids(engine, 1, "plain") == [plain]
    assert score(engine, "queued", other, "plain") == 10**15 + 3
    assert known(engine, "plain") == set()


def test_each_key_is_first_in_first_out(engine: Engine) -> None:
    keys = "aabacbaab"
    ids = store(engine, keys)
    found = next_ids(engine, len(keys))
    for key in "abc":
        own = [job_id for job_id, its in zip(ids, keys, strict=True) if its == key]
        assert [job_id for job_id in found if job_id in own] == own


def test_jobs_without_a_key_share_one(engine: Engine) -> None:
    store(engine, "aaaa----b")
    assert turns(engine) == "a-b" + "a-" * 3


def test_jobs_that_stood_there_before_count_as_those_without_a_key(engine: Engine) -> None:
    """Their numbers have gaps, because other queues got some; a key fills none of them."""
    for _ in range(3):
        store(engine, "-")
        store(engine, "-" * 50, "other")
    store(engine, "aaaa-b")
    assert turns(engine) == "-ab" + "-a" + "-a" + "a-"


def test_jobs_that_stood_there_before_count_in_each_priority(engine: Engine) -> None:
    store(engine, "-", priority=5)
    store(engine, "--")
    store(engine, "-", priority=-5)
    store(engine, "a", priority=5)
    assert known(engine) == {"5:", "0:", "-5:", "5:a"}
    assert turns(engine) == "-a" + "--" + "-"


def test_however_many_jobs_stood_there_before(engine: Engine) -> None:
    store(engine, "-" * 4_100)
    store(engine, "aa-")
    assert score(engine, "queued", queued(engine)[-1]) == 10**15 + 4_101
    engine.client.redis.flushall()  # the auditor would look at each of them


def test_endless_newcomers_hold_nobody_back(engine: Engine) -> None:
    """Each key that comes joins the round after the one that the claims have come to."""
    store(engine, "aab")
    for number in range(9):
        assert turns(engine, 1)
        store(engine, [f"t{number}"])
        if "a" not in {engine.inspector.job(job_id).fair for job_id in queued(engine)}:
            break
    assert number == 2


def test_priority_is_above_fairness(engine: Engine) -> None:
    store(engine, "aaa", priority=5)
    store(engine, "bb")
    store(engine, "c", priority=5)
    store(engine, "a")
    assert turns(engine) == "acaa" + "bab"


def test_a_newcomer_waits_one_round(engine: Engine) -> None:
    """Thousands of jobs of one key wait, and four slots are busy with it."""
    store(engine, "a" * 5_000)
    slots = [Slot("worker-1", f"{n}.0") for n in range(4)]
    running = [claimed(engine, slot) for slot in slots]
    (newcomer,) = store(engine, "b")
    started = []
    for slot, job in zip(slots, running, strict=True):
        found = engine.claims.finish(slot, job, DONE, ["default"]).next
        assert isinstance(found, Job)
        started.append(found.id)
    assert newcomer in started
    assert turns(engine, 3) == "aaa"
    engine.client.redis.flushall()  # the auditor would look at each of them


def test_retry_is_numbered_anew(engine: Engine, clock: Clock) -> None:
    slot = Slot("worker-1", "0.0")
    first, *_ = store(engine, "aabb")
    finish(engine, slot, claimed(engine, slot), RETRIED)
    clock.move(61)
    engine.queues.promote()
    assert next_ids(engine, 4)[-1] == first


@pytest.mark.parametrize("how", ["released", "reaped", "lost"])
def test_a_run_that_did_not_end_keeps_its_place(engine: Engine, clock: Clock, how: str) -> None:
    slot = Slot("worker-1", "0.0")
    store(engine, "ab", "other")
    first, *_ = store(engine, "aabb")
    place = score(engine, "queued", first)
    job = claimed(engine, slot)
    if how == "released":
        finish(engine, slot, job, RELEASED)
    elif how == "reaped":
        clock.move(31)
        engine.queues.reap(**REAP)
    else:
        engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed_9")
    assert score(engine, "queued", first) == place
    assert fair_queues(engine) == " other default "
    assert turns(engine) == "abab"


def test_what_comes_back_into_an_empty_queue_is_ahead_of_its_key(engine: Engine) -> None:
    """The queue had forgotten the key."""
    ids = store(engine, "aaa")
    names = [Slot("worker-1", f"{n}.0") for n in range(3)]
    held = [claimed(engine, slot) for slot in names]
    assert known(engine) == set()
    for slot, job in zip(names, held, strict=True):
        finish(engine, slot, job, RELEASED)
    later = store(engine, "ab")
    assert next_ids(engine, 5) == [ids[0], later[1], ids[1], ids[2], later[0]]


def test_due_job_is_numbered_when_it_is_due(engine: Engine, clock: Clock) -> None:
    (later,) = store(engine, "a", due=timedelta(seconds=5))
    store(engine, "aab")
    assert known(engine) == {"0:a", "0:b"}
    clock.move(6)
    engine.queues.promote()
    assert next_ids(engine, 4)[-1] == later


def test_due_job_without_a_key_takes_the_turn_of_those(engine: Engine, clock: Clock) -> None:
    store(engine, "-", due=timedelta(seconds=5))
    store(engine, "a-a")
    clock.move(6)
    engine.queues.promote()
    assert turns(engine) == "a-" + "-a"


def test_move_of_the_clock_changes_no_turn(engine: Engine, clock: Clock) -> None:
    store(engine, "aaa")
    clock.move(-3600)
    store(engine, "bbb")
    clock.move(7200)
    store(engine, "c")
    assert turns(engine) == "abcabab"


def test_requeued_job_is_numbered_anew(engine: Engine) -> None:
    slot = Slot("worker-1", "0.0")
    (first,) = store(engine, "a")
    finish(engine, slot, claimed(engine, slot), FAILED)
    store(engine, "aab")
    engine.jobs.requeue(first, nonce="n")
    place = score(engine, "queued", first)
    engine.jobs.requeue(first, nonce="n")
    assert score(engine, "queued", first) == place
    assert next_ids(engine, 4)[-1] == first


def test_another_priority_is_a_new_turn(engine: Engine) -> None:
    ids = store(engine, "aab")
    store(engine, "bb", priority=7)
    engine.edits.prioritize(ids[1], 7)
    assert turns(engine) == "abb" + "ab"  # the job that came from below is the oldest of its round


def test_job_that_waited_for_a_limit_keeps_its_turn(engine: Engine) -> None:
    ids = store(engine, "aaa", limits=("1w:k",))
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    store(engine, "bbb")
    assert turns(engine, 1) == "b"
    assert record(engine, ids[1])["state"] == State.WAITING
    finish(engine, slot, job)
    assert turns(engine) == "a" + "ab" + "b"


def test_job_that_is_stored_parked_takes_a_turn(engine: Engine) -> None:
    ids = store(engine, "a" * 3, limits=("1w:k",))
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    assert turns(engine) == ""
    (last,) = store(engine, "a", limits=("1w:k",))
    assert score(engine, "waiting", last) == 10**15 + 4
    store(engine, "a")
    finish(engine, slot, job)
    assert [next(runs(engine, 1, "default")).id for _ in ids] == [ids[1], ids[2], last]


def test_members_and_jobs_of_schedules_take_turns(engine: Engine) -> None:
    store(engine, "aaa")
    flow = new_id()
    shape = [(0, 0)] * 2
    jobs = members(flow, shape, fair="b")
    engine.workflows.stage(flow, jobs, total=2, steps=steps(shape), if_failed="stop")
    engine.workflows.seal(flow)
    engine.schedules.run_now("nightly", new_job(new_id(), fair="c"))
    assert turns(engine) == "abc" + "ab" + "a"


def test_an_empty_queue_forgets(engine: Engine) -> None:
    store(engine, "ab-")
    assert known(engine) == {"0:a", "0:b", "0:"}
    assert fair_queues(engine) == " default "
    turns(engine)
    assert known(engine) == set()
    assert fair_queues(engine) is None


@pytest.mark.parametrize("how", ["cancel", "delete", "tag"])
def test_a_queue_that_loses_its_last_job_forgets(engine: Engine, how: str) -> None:
    store(engine, "b", "other")
    (job_id,) = store(engine, "a", tags=("t",))
    if how == "cancel":
        engine.jobs.cancel(job_id)
    elif how == "delete":
        engine.jobs.delete(job_id)
    else:
        engine.tags.cancel("t")
    assert known(engine) == set()
    assert fair_queues(engine) == " other "


def test_a_queue_whose_last_parked_job_goes_forgets(engine: Engine) -> None:
    slot = Slot("worker-1", "0.0")
    store(engine, "aa", limits=("1w:k",))
    job = claimed(engine, slot)
    assert turns(engine) == ""
    (parked,) = store(engine, "a", limits=("1w:k",))
    assert fair_queues(engine) == " default "
    engine.jobs.cancel(parked)
    assert known(engine) == set()
    assert fair_queues(engine) is None
    finish(engine, slot, job)


def test_a_queue_that_forgot_numbers_as_ever_behind_all(engine: Engine) -> None:
    store(engine, "aab")
    turns(engine)
    (plain,) = store(engine, "-")
    assert score(engine, "queued", plain) == 10**15 + 3
    assert known(engine) == set()


def test_keys_without_jobs_are_forgotten_by_and_by(engine: Engine) -> None:
    """The queue is never empty, and each of its jobs has another key."""
    store(engine, "a")
    for number in range(60):
        store(engine, [f"t{number}", f"u{number}"])
        assert turns(engine, 2)
    assert len(known(engine)) <= 5


def test_keys_of_a_burst_are_forgotten_by_those_that_stay(engine: Engine) -> None:
    store(engine, [f"t{number}" for number in range(40)])
    store(engine, "aa")
    turns(engine, 41)
    store(engine, "a")
    assert known(engine) == {"0", "0:a", *(f"0:t{number}" for number in range(40))}
    turns(engine, 1)
    for _ in range(20):  # a call removes two
        store(engine, "a")
        turns(engine, 1)
    assert known(engine) == {"0", "0:a"}


def test_maintenance_forgets_what_a_script_left(engine: Engine) -> None:
    store(engine, "ab")
    keys, client = engine.client.keys, engine.client.redis
    client.zunionstore("saved", [keys("fair", "default")])
    turns(engine)
    client.rename("saved", keys("fair", "default"))
    client.hset(keys("meta"), "fair", " default ")
    engine.queues.reap(**REAP)
    assert known(engine) == set()
    assert fair_queues(engine) is None


@pytest.mark.parametrize(
    ("damaged", "mended"), [("x", None), (" x default y ", " default "), ("default", " default ")]
)
def test_maintenance_mends_the_names_of_fair_queues(
    engine: Engine, damaged: str, mended: str | None
) -> None:
    """Whatever stands there, queues number fairly again from the next look on."""
    store(engine, "-")
    engine.client.redis.hset(engine.client.keys("meta"), "fair", damaged)
    engine.queues.reap(**REAP)
    assert fair_queues(engine) == mended
    store(engine, "aab")
    assert fair_queues(engine) == " default "
    assert turns(engine) == "-aba"


def test_a_key_of_another_type_harms_nobody(engine: Engine) -> None:
    store(engine, "ab")
    engine.client.redis.set(engine.client.keys("fair", "default"), "x")
    store(engine, "c")
    store(engine, "d")
    engine.client.redis.set(engine.client.keys("fair", "default"), "x")
    assert turns(engine) == "abcd"


def test_of_too_many_fair_queues_the_last_ones_number_as_ever(engine: Engine) -> None:
    for number in range(101):
        store(engine, "a", f"q{number}")
    ids = store(engine, "ab", "q100")
    assert known(engine, "q100") == set()
    assert score(engine, "queued", ids[1], "q100") == 10**15 + 103
    turns(engine, queue="q0")
    store(engine, "a", "q100")
    assert known(engine, "q100") == {"0:", "0:a"}


@pytest.mark.parametrize("key", ["a b", "a\n"])
def test_script_refuses_a_key_that_is_no_word(engine: Engine, key: str) -> None:
    for limits in ((), ("1w:k",)):
        with pytest.raises(QueueUnavailable, match='fair is "a'):
            engine.jobs.enqueue([new_job(new_id(), fair=key, limits=limits)])
