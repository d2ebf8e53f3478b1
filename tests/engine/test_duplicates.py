"""Calls for which another job stands: what they are told, and the ids that lead there."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import DONE, claimed, everything, finish, record
from tests.support.unique import KEY, NEWEST, locks, store, stored, unique_job, winner

MANY = 500


def pointers(engine: Engine) -> set[str]:
    return {name for name in everything(engine) if name.startswith("duplicate")}


@pytest.mark.parametrize("told", ["told", "kept"])
def test_id_that_a_caller_has_leads_to_the_job(engine: Engine, slot: Slot, told: str) -> None:
    """As long as that one is kept, in whatever state; a repeated call is told the same."""
    job_id = stored(engine, round=1)
    call = store(engine, told=told, round=1)
    assert call.duplicate == (job_id, State.QUEUED, 0)
    assert engine.locks.stands_for(call.id) == job_id
    found = engine.inspector.job(call.id)
    assert (found.id, found.task) == (job_id, "a.b")
    assert found.duplicate is not None
    finish(engine, slot, claimed(engine, slot), DONE._replace(settled=State.SUCCEEDED))
    stored(engine)
    engine.jobs.enqueue([call])
    assert call.duplicate == (job_id, State.SUCCEEDED, 0)
    engine.unsettled.drop([engine.unsettled.held([job_id])[job_id].member])  # as its row is written
    engine.jobs.delete(job_id)
    assert pointers(engine) == set()
    with pytest.raises(JobNotFound):
        engine.inspector.job(call.id)


def test_id_that_nobody_has_leads_nowhere(engine: Engine) -> None:
    stored(engine)
    call = store(engine)
    assert engine.locks.stands_for(call.id) == ""
    assert pointers(engine) == set()


def test_trimmed_job_takes_its_ids_along(engine: Engine, slot: Slot, clock: Clock) -> None:
    stored(engine)
    for _ in range(3):
        store(engine, told="told")
    assert len(pointers(engine)) == 4
    finish(engine, slot, claimed(engine, slot))
    clock.move(60 * 86_400)
    engine.queues.trim()
    assert pointers(engine) == set()


def test_only_the_latest_ids_lead_to_the_job(engine: Engine) -> None:
    stored(engine)
    calls = [unique_job(told="told") for _ in range(MANY + 2)]
    for _ in engine.jobs.enqueue_many(calls):
        pass
    assert len(pointers(engine)) == MANY + 1
    assert [bool(engine.locks.stands_for(one.id)) for one in calls[:4]] == [False] * 2 + [True] * 2


def test_cancel_of_such_an_id_cancels_the_job(engine: Engine) -> None:
    job_id = stored(engine)
    call = store(engine, told="told")
    assert engine.jobs.cancel(call.id) is State.CANCELLED
    assert record(engine, job_id)["state"] == "cancelled"
    with pytest.raises(JobNotFound):
        engine.jobs.cancel(new_id())


def test_durable_call_waits_for_a_job_that_is_not(engine: Engine, slot: Slot) -> None:
    """What Redis alone holds can't stand for what the ledger holds: the call has to come again."""
    stored(engine)
    call = unique_job(told="kept", round=1)
    assert engine.jobs.enqueue([call]) == [0]
    assert call.duplicate is None
    assert pointers(engine) == set()
    finish(engine, slot, claimed(engine, slot))
    assert engine.jobs.enqueue([call]) != [0]
    assert locks(engine) == {KEY: call.id}


def test_holder_that_a_broken_call_left_is_completed(engine: Engine) -> None:
    """Who is told of it can rely on it, though it stands in no index."""
    for index, due in (("queued", None), ("scheduled", 10**13)):
        job = store(engine, key=f"{ord(index[0]):032x}", due=due)
        engine.client.redis.delete(engine.client.keys(index, "default"))
        assert winner(engine, key=f"{ord(index[0]):032x}") == job.id
        assert engine.client.redis.zscore(engine.client.keys(index, "default"), job.id) is not None


def test_holder_without_its_time_is_told_of(engine: Engine) -> None:
    """Its record is damaged."""
    held = unique_job()
    (at,) = engine.jobs.enqueue([held])
    engine.client.redis.hdel(engine.client.keys("job", held.id), "enqueued_at")
    (now,) = engine.jobs.enqueue([unique_job()])
    assert at <= now < at + 60_000


def test_lists_of_another_type_stop_nobody(engine: Engine) -> None:
    job_id = stored(engine)
    engine.client.redis.set(engine.client.keys("duplicates", job_id), "nonsense")
    call = store(engine, told="told")
    assert engine.locks.stands_for(call.id) == job_id
    engine.client.redis.set(engine.client.keys("duplicates", job_id), "nonsense")
    assert engine.jobs.delete(job_id)
    engine.client.redis.delete(engine.client.keys("duplicate", call.id))


def test_fire_skips_its_time_while_another_holds_the_lock(engine: Engine) -> None:
    since = engine.schedules.register("s1", {"nightly": "rule"}).now
    stored(engine)
    job = unique_job(schedule="nightly")
    fired = engine.schedules.fire("nightly", "rule", since + 1, job, overlap="allow")
    assert fired.reply == "overlap"
    assert engine.inspector.schedules.stats(["nightly"])["nightly"].overlapped == 1
    assert (
        engine.schedules.fire("nightly", "rule", since + 1, job, overlap="allow").reply == "known"
    )


def test_fire_stores_a_unique_job(engine: Engine) -> None:
    since = engine.schedules.register("s1", {"nightly": "rule"}).now
    job = unique_job(schedule="nightly")
    fire = lambda: engine.schedules.fire("nightly", "rule", since + 1, job, overlap="skip")  # noqa: E731
    assert fire().reply == fire().reply == "fired"
    assert locks(engine) == {KEY: job.id}


def test_run_now_tells_of_the_holder(engine: Engine) -> None:
    """Which the schedule takes for its last job."""
    held = unique_job()
    times = engine.jobs.enqueue([held])
    job = unique_job(schedule="nightly")
    assert [engine.schedules.run_now("nightly", job)] == times
    assert job.duplicate is not None
    assert job.duplicate.id == held.id
    assert engine.inspector.schedules.stats(["nightly"])["nightly"].job_id == held.id
    engine.jobs.cancel(held.id)
    assert engine.schedules.run_now("nightly", job)
    assert job.duplicate is None


def test_refresh_leaves_it_to_the_holder(engine: Engine) -> None:
    held = stored(engine)
    assert engine.cached_results.refresh("d", unique_job(), seen="", keep=0) is None
    found = engine.cached_results.latest("d")
    assert (found.refresh, found.is_refreshing) == (held, True)
    engine.jobs.cancel(held)
    job = unique_job()
    assert engine.cached_results.refresh("d", job, seen=held, keep=0) is not None
    assert locks(engine) == {KEY: job.id}


def test_number_of_a_call_rises(engine: Engine) -> None:
    """It tells which call came last; none leads to the job before it has taken its place."""
    job_id = stored(engine, NEWEST)
    calls = [store(engine, NEWEST, told="told") for _ in range(3)]
    numbers = [one.duplicate.number for one in calls if one.duplicate]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0
    assert {one.duplicate.id for one in calls if one.duplicate} == {job_id}
    assert pointers(engine) == set()


def test_newest_call_waits_for_nobody_who_runs(engine: Engine, slot: Slot) -> None:
    """Whatever rule that job had when it was stored."""
    stored(engine)
    job = claimed(engine, slot)
    assert winner(engine, NEWEST) == ""
    finish(engine, slot, job, DONE)
    assert len(locks(engine)) == 1


def test_unique_job_beside_others_stays_their_place(engine: Engine) -> None:
    """A call that stores nothing writes no record."""
    stored(engine)
    call = store(engine)
    engine.jobs.enqueue([new_job(new_id())])
    assert record(engine, call.id) == {}
