"""The lock of a unique job: which script takes it and which frees it, one by one."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import LockHeld, QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import FINAL, Outcome, State
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
    everything,
    finish,
    full_memory,
    places,
    record,
)
from tests.support.unique import KEY, NEWEST, OTHER_KEY, locks, store, stored, unique_job, winner

WINDOW = "+60000"


def now(engine: Engine) -> int:
    return int(engine.client.run("get_cached", digest="x")[0])


def test_second_job_of_a_key_is_not_stored(engine: Engine) -> None:
    """Its caller is told of the first one, and when that was stored; nothing is written."""
    first = unique_job(round=3)
    (at,) = engine.jobs.enqueue([first])
    before = everything(engine)
    second = unique_job()
    assert engine.jobs.enqueue([second]) == [at]
    assert second.duplicate == (first.id, State.QUEUED, 0)
    assert everything(engine) == before
    assert locks(engine) == {KEY: first.id}
    assert record(engine, first.id)["unique"] == f"{KEY} done"


def test_other_keys_are_other_locks(engine: Engine) -> None:
    """And jobs that are not unique take none."""
    first, second = stored(engine), stored(engine, key=OTHER_KEY)
    engine.jobs.enqueue([new_job(new_id())])
    assert locks(engine) == {KEY: first, OTHER_KEY: second}


def test_jobs_of_one_call_may_share_a_key(engine: Engine) -> None:
    """The first is stored; what stands beside them is as it was. Tags are read after the key."""
    jobs = [
        unique_job(tags=("t",)), new_job(new_id(), tags=("t",)), unique_job(tags=("t",)),
        unique_job(key=OTHER_KEY), new_job(new_id(), max_attempts=3),
    ]  # fmt: skip
    engine.jobs.enqueue(jobs)
    assert [job.duplicate and job.duplicate.id for job in jobs] == [
        None, None, jobs[0].id, None, None
    ]  # fmt: skip
    assert engine.inspector.tags.count("t") == 2
    assert engine.inspector.count(State.QUEUED) == 4


def test_repeated_calls_are_answered_alike(engine: Engine) -> None:
    first, second = unique_job(), unique_job()
    for _ in range(3):
        assert engine.jobs.enqueue([first]) == engine.jobs.enqueue([second])
        assert (first.duplicate, second.duplicate and second.duplicate.id) == (None, first.id)


def test_repeated_call_of_a_final_job_is_no_duplicate(engine: Engine, slot: Slot) -> None:
    """Another one has its key since."""
    first = unique_job()
    times = engine.jobs.enqueue([first])
    finish(engine, slot, claimed(engine, slot))
    second = stored(engine)
    assert engine.jobs.enqueue([first]) == times
    assert first.duplicate is None
    assert locks(engine) == {KEY: second}


@pytest.mark.parametrize("state", list(State))
def test_done_lasts_until_the_job_is_final(engine: Engine, job_in: Make, state: State) -> None:
    job_id = job_in(state, unique=f"{KEY} done")
    is_final = state in FINAL
    assert locks(engine) == ({} if is_final else {KEY: job_id})
    assert winner(engine) == ("" if is_final else job_id)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("until", ["start", NEWEST])
def test_start_lasts_until_the_first_run(
    engine: Engine, job_in: Make, state: State, until: str
) -> None:
    job_id = job_in(state, unique=f"{KEY} {until}")
    waits = state in (State.SCHEDULED, State.QUEUED, State.WAITING)
    assert locks(engine) == ({KEY: job_id} if waits else {})
    assert winner(engine) == (job_id if waits else "")


@pytest.mark.parametrize("state", list(State))
def test_window_lasts_whatever_becomes_of_the_job(
    engine: Engine, job_in: Make, clock: Clock, state: State
) -> None:
    """It ends by the clock of the server, and not earlier."""
    job_id = job_in(state, unique=f"{KEY} {WINDOW}")
    assert winner(engine, WINDOW) == job_id
    clock.move(55)
    assert winner(engine, WINDOW) == job_id
    clock.move(6)
    assert winner(engine, WINDOW) == ""


def test_window_may_end_at_a_time(engine: Engine, clock: Clock) -> None:
    """As that of a durable job does, which counts from its row."""
    ends = now(engine) + 60_000
    job_id = stored(engine, str(ends))
    assert locks(engine) == {KEY: f"{job_id} {ends}"}
    assert winner(engine) == job_id
    clock.move(61)
    assert winner(engine) == ""


@pytest.mark.parametrize("result", [DONE, FAILED, RunResult(Outcome.CANCELLED)])
@pytest.mark.parametrize("runs", [1, 2])
def test_each_end_of_a_run_frees_the_lock(
    engine: Engine, slot: Slot, result: RunResult, runs: int
) -> None:
    job_id = stored(engine)
    for _ in range(runs - 1):
        finish(engine, slot, claimed(engine, slot), RELEASED)
    job = claimed(engine, slot)
    assert locks(engine) == {KEY: job_id}
    finish(engine, slot, job, result)
    assert locks(engine) == {}


@pytest.mark.parametrize("result", [RETRIED, RELEASED])
def test_retry_and_release_keep_it(engine: Engine, slot: Slot, result: RunResult) -> None:
    job_id = stored(engine)
    finish(engine, slot, claimed(engine, slot), result)
    assert winner(engine) == job_id


@pytest.mark.parametrize("result", [RETRIED, RELEASED])
def test_retry_and_release_do_not_take_it_again(
    engine: Engine, slot: Slot, result: RunResult
) -> None:
    """Until "start" is until the first one: the second job is another's."""
    stored(engine, "start")
    job = claimed(engine, slot)
    second = stored(engine, "start")
    finish(engine, slot, job, result)
    assert locks(engine) == {KEY: second}


def test_recovery_keeps_or_does_not_retake_it(engine: Engine, clock: Clock) -> None:
    done = stored(engine)
    start = stored(engine, "start", key=OTHER_KEY)
    for number in range(2):
        claimed(engine, Slot("w", str(number)))
    clock.move(31)
    engine.queues.reap(**REAP)
    assert {record(engine, one)["state"] for one in (done, start)} == {"queued"}
    assert locks(engine) == {KEY: done}


def test_job_that_is_lost_too_often_frees_it(engine: Engine, clock: Clock) -> None:
    job_id = stored(engine, max_recoveries=0)
    claimed(engine, Slot("w", "0"))
    clock.move(31)
    engine.queues.reap(**REAP)
    assert record(engine, job_id)["state"] == "failed"
    assert locks(engine) == {}


def test_expired_job_frees_it(engine: Engine, slot: Slot) -> None:
    job_id = stored(engine, expires=str(now(engine) - 1))
    engine.claims.claim(slot, ["default"])
    assert record(engine, job_id)["state"] == "cancelled"
    assert locks(engine) == {}


@pytest.mark.parametrize("why", ["expired", "limit"])
def test_window_ends_with_a_job_that_never_runs(
    engine: Engine, slot: Slot, clock: Clock, why: str
) -> None:
    """It stands for no other call: what that wants would be done by nobody."""
    if why == "limit":
        engine.jobs.enqueue([unique_job(key=OTHER_KEY, limits=("1s:k",))])
        other = claimed(engine, slot)
    job_id = stored(engine, WINDOW, expires="+1000" * (why == "expired"), limits=("1s:k",))
    assert winner(engine, WINDOW) == job_id
    clock.move(1)
    engine.claims.claim(Slot("worker-1", "1.0"), ["default"])
    assert engine.inspector.job(job_id).reason == why
    assert locks(engine).get(KEY) is None
    if why == "limit":
        finish(engine, slot, other)


@pytest.mark.parametrize("until", ["done", "start", NEWEST, WINDOW])
@pytest.mark.parametrize("due", [None, timedelta(hours=1)])
def test_expired_holder_does_not_block(
    engine: Engine, clock: Clock, until: str, due: timedelta | None
) -> None:
    """Though nobody has ended it yet; when somebody does, the lock is another's."""
    expired = stored(engine, until, expires="+1000", due=due)
    assert winner(engine, until) == expired
    clock.move(1)
    second = stored(engine, until)
    engine.jobs.cancel(expired)
    assert locks(engine)[KEY].split(" ")[0] == second


def test_started_job_does_not_expire(engine: Engine, slot: Slot, clock: Clock) -> None:
    job_id = stored(engine, expires="+1000")
    claimed(engine, slot)
    clock.move(2)
    assert winner(engine) == job_id


def test_settled_job_frees_it(engine: Engine) -> None:
    """Its row was final already."""
    job_id = stored(engine, round=1)
    engine.unsettled.settle(job_id, 1, State.SUCCEEDED, "", "")
    assert locks(engine) == {}


def test_end_of_another_job_frees_nothing(engine: Engine, slot: Slot) -> None:
    """That one held the lock before."""
    first = stored(engine, "start")
    job = claimed(engine, slot)
    second = stored(engine, "start")
    finish(engine, slot, job, FAILED)
    engine.jobs.delete(first)
    assert locks(engine) == {KEY: second}


@pytest.mark.parametrize("until", ["done", "start", WINDOW, NEWEST])
@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_deleted_job_frees_it(engine: Engine, job_in: Make, until: str, state: State) -> None:
    job_id = job_in(state, unique=f"{KEY} {until}")
    engine.jobs.delete(job_id)
    assert locks(engine) == {}


def test_trimmed_job_frees_its_window(engine: Engine, slot: Slot, clock: Clock) -> None:
    """That a window ended early is counted."""
    for until, key in ((f"+{90 * 86_400_000}", KEY), (WINDOW, OTHER_KEY)):
        stored(engine, until, key=key)
        finish(engine, slot, claimed(engine, slot))
    clock.move(30 * 86_400)
    engine.queues.trim()
    assert (locks(engine), places(engine)) == ({}, {})
    assert engine.inspector.totals()["windows_cut"] == 1


def test_job_that_is_told_to_end_stands_for_no_further_call(engine: Engine, slot: Slot) -> None:
    """Nobody would do the work of that call. The end of the first one leaves the lock alone."""
    first = stored(engine)
    run = claimed(engine, slot)
    engine.jobs.cancel(first)
    second = stored(engine)
    assert winner(engine) == second
    assert finish(engine, slot, run) == "ok"
    assert locks(engine) == {KEY: second}


def test_window_of_a_job_that_is_told_to_end_stays(engine: Engine, slot: Slot) -> None:
    """It has started in this window."""
    first = stored(engine, WINDOW)
    claimed(engine, slot)
    engine.jobs.cancel(first)
    assert winner(engine, WINDOW) == first


def test_window_of_a_cancelled_job_does_not_expire(
    engine: Engine, job_in: Make, clock: Clock
) -> None:
    """Only a job that may still start does; and whoever cancelled it wanted no other one."""
    job_id = job_in(State.CANCELLED, unique=f"{KEY} {WINDOW}", expires="+1000")
    clock.move(30)
    assert winner(engine, WINDOW) == job_id


def test_requeue_takes_the_lock_again(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.FAILED, unique=f"{KEY} done")
    engine.jobs.requeue(job_id)
    assert locks(engine) == {KEY: job_id}
    assert winner(engine) == job_id


def test_requeue_for_a_start_lasts_until_the_next_one(
    engine: Engine, job_in: Make, slot: Slot
) -> None:
    job_id = job_in(State.SUCCEEDED, unique=f"{KEY} start")
    engine.jobs.requeue(job_id)
    assert winner(engine, "start") == job_id
    claimed(engine, slot)
    assert locks(engine) == {}


def test_requeue_for_a_time_begins_it_anew(engine: Engine, job_in: Make, clock: Clock) -> None:
    job_id = job_in(State.CANCELLED, unique=f"{KEY} {WINDOW}")
    clock.move(50)
    engine.jobs.requeue(job_id)
    clock.move(50)
    assert winner(engine) == job_id


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("round", [0, 1])
def test_requeue_is_refused_while_another_holds_it(
    engine: Engine, job_in: Make, state: State, round: int
) -> None:
    """The error names that one, nothing is changed, and once it is gone the requeue works."""
    job_id = job_in(state, unique=f"{KEY} done", round=round)
    holder = stored(engine)
    before = everything(engine)
    with pytest.raises(LockHeld, match=f"{job_id} can't be requeued: job {holder} holds its lock"):
        engine.jobs.requeue(job_id)
    assert everything(engine) == before
    engine.jobs.cancel(holder)
    if not round:
        assert engine.jobs.requeue(job_id) is State.QUEUED


def test_expired_holder_does_not_block_a_requeue(
    engine: Engine, job_in: Make, clock: Clock
) -> None:
    job_id = job_in(State.FAILED, unique=f"{KEY} done")
    stored(engine, expires="+1000")
    clock.move(1)
    engine.jobs.requeue(job_id)
    assert locks(engine) == {KEY: job_id}


def test_requeue_of_a_retry_is_no_new_start(engine: Engine, slot: Slot) -> None:
    """A scheduled job runs now, whoever has the lock."""
    job_id = stored(engine, "start", max_attempts=2)
    finish(engine, slot, claimed(engine, slot), RETRIED)
    second = stored(engine, "start")
    assert engine.jobs.requeue(job_id) is State.QUEUED
    assert locks(engine) == {KEY: second}


def test_claimed_job_whose_claim_is_repeated_holds_no_start(engine: Engine, slot: Slot) -> None:
    stored(engine, "start")
    nonce = slot.nonce
    claimed(engine, slot)
    slot.nonce = nonce
    claimed(engine, slot)
    assert locks(engine) == {}


def test_void_locks_go_with_time(engine: Engine) -> None:
    """A broken script left them: of no job, of a final one, of a job with another key."""
    held, other = stored(engine), stored(engine, key=OTHER_KEY)
    final = stored(engine, key="c" * 32)
    window = stored(engine, WINDOW, key="d" * 32)
    engine.jobs.cancel(window)
    engine.jobs.cancel(final)
    void: dict[Any, Any] = {
        "0" * 32: new_id(),
        "1" * 32: other,
        "c" * 32: final,
        "2" * 32: "",
        "x": "y z",
    }
    engine.client.redis.hset(engine.client.keys("unique"), mapping=void)
    wanted = {KEY: held, OTHER_KEY: other, "d" * 32: locks(engine)["d" * 32]}
    engine.queues.reap(**REAP)
    assert locks(engine) == wanted


def test_lock_of_a_retry_is_void(engine: Engine, slot: Slot) -> None:
    """A claim that broke has left it."""
    job_id = stored(engine, "start")
    finish(engine, slot, claimed(engine, slot), RETRIED)
    engine.client.redis.hset(engine.client.keys("unique"), KEY, job_id)
    second = stored(engine, "start")
    assert locks(engine) == {KEY: second}


def test_damaged_record_holds_what_it_still_tells(engine: Engine) -> None:
    """Without its time it does not expire; without its state it is no job."""
    job_id = stored(engine, expires="+1")
    key = engine.client.keys("job", job_id)
    engine.client.redis.hdel(key, "enqueued_at")
    assert winner(engine) == job_id
    engine.client.redis.hdel(key, "state")
    second = stored(engine)
    assert locks(engine) == {KEY: second}
    engine.client.redis.delete(key, engine.client.keys("queued", "default"))
    engine.client.redis.zadd(engine.client.keys("queued", "default"), {second: 1})


def test_only_some_locks_are_looked_at(engine: Engine) -> None:
    void: dict[Any, Any] = {f"{number:032x}": new_id() for number in range(150)}
    engine.client.redis.hset(engine.client.keys("unique"), mapping=void)
    engine.queues.reap(**REAP)
    assert len(locks(engine)) == 50
    engine.queues.reap("default", **REAP)
    assert len(locks(engine)) == 50
    engine.queues.reap(**REAP)
    assert locks(engine) == {}


def test_key_of_another_type_stops_nobody(engine: Engine, slot: Slot) -> None:
    key = engine.client.keys("unique")
    engine.client.redis.set(key, "nonsense")
    engine.queues.reap(**REAP)
    job_id = stored(engine)
    assert locks(engine) == {KEY: job_id}
    engine.client.redis.delete(key)
    engine.client.redis.set(key, "nonsense")
    engine.client.redis.delete(key)
    finish(engine, slot, claimed(engine, slot))


def test_full_server_still_tells_of_the_holder(engine: Engine, slot: Slot) -> None:
    """It takes no new job, and no lock for one; a run may end."""
    job_id = stored(engine)
    with full_memory(engine):
        assert winner(engine) == job_id
        with pytest.raises(QueueUnavailable):
            store(engine, key=OTHER_KEY)
        finish(engine, slot, claimed(engine, slot))
    assert locks(engine) == {}


@pytest.mark.parametrize(
    "unique",
    ["", "x", KEY, f"{KEY} never", f"{KEY} +", f"{KEY} newest,1", f"{KEY} done gone", "ä done",
     f"{KEY} newest,1,x", f"{KEY} done told x", f"{KEY} x+1"],
)  # fmt: skip
def test_bad_word_is_named(engine: Engine, unique: str) -> None:
    job = unique_job()
    words: list[str | bytes | int] = [job.id, "default", "a.b", 0, "", b"", 2, "unique", unique]
    with pytest.raises(QueueUnavailable, match=r"unique is .*it must be a digest, and until when"):
        engine.client.run("enqueue", words)
    assert places(engine) == {}


def test_inspector_reads_the_key(engine: Engine) -> None:
    job_id = stored(engine, WINDOW)
    assert engine.inspector.job(job_id).unique == f"{KEY} {WINDOW}"
    assert engine.locks.holder(KEY) == job_id
    assert engine.locks.holder(OTHER_KEY) == ""


def test_clock_that_goes_back_keeps_a_lock(engine: Engine, clock: Clock) -> None:
    job_id, window = stored(engine), stored(engine, WINDOW, key=OTHER_KEY)
    clock.move(-3600)
    assert winner(engine) == job_id
    assert winner(engine, WINDOW, key=OTHER_KEY) == window
