"""cancel_tagged: all jobs of a tag, in whatever state, page by page; and the index of a tag."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Lease, Slot
from django_jobqueue.engine.tags import Cancelled
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
    FAILED,
    RETRIED,
    Make,
    claimed,
    everything,
    finish,
    full_memory,
    places,
    record,
)

TAG = "tenant:7"


def tagged(engine: Engine, tag: str = TAG) -> list[str]:
    """Return the ids in the index of a tag, as they were stored."""
    return engine.inspector.tags.ids(tag, 0, 1000, newest_first=False)


def test_job_stands_in_the_index_of_each_tag(engine: Engine, clock: Clock, make_job: Make) -> None:
    """Sorted by when it was stored; a scheduled one too. The tags are one field of the record."""
    first = make_job(tags=(TAG, "ä→b"))
    clock.move(1)
    second = make_job(tags=(TAG,), due=timedelta(hours=1), max_attempts=5)
    make_job()
    assert tagged(engine) == [first, second]
    assert tagged(engine, "ä→b") == [first]
    assert [job.id for job in engine.inspector.tags.page(TAG, 0, 1)] == [second]
    assert [job.tags for job in engine.inspector.tags.page(TAG, 1, 2)] == [(TAG, "ä→b")]
    assert engine.inspector.tags.page(TAG, 1, 1) == []
    assert (engine.inspector.tags.count(TAG), engine.inspector.tags.count("other")) == (2, 0)
    assert record(engine, first)["tags"] == f"{TAG} ä→b"


def test_several_jobs_of_a_call_keep_their_own(engine: Engine) -> None:
    jobs = [new_job(new_id(), tags=tags) for tags in ((), ("a", "b"), (), ("b",))]
    engine.jobs.enqueue(jobs)
    assert tagged(engine, "a") == [jobs[1].id]
    assert tagged(engine, "b") == [jobs[1].id, jobs[3].id]


def test_other_scripts_that_store_a_job_tag_it(engine: Engine) -> None:
    since = engine.schedules.register("s1", {"nightly": "rule"}).now
    fired, by_hand, fresh = (new_job(new_id(), tags=(TAG,)) for _ in range(3))
    engine.schedules.fire("nightly", "rule", since + 1, fired, overlap="allow")
    engine.schedules.run_now("nightly", by_hand)
    engine.cached_results.refresh("d", fresh, seen="", keep=0)
    assert set(tagged(engine)) == {fired.id, by_hand.id, fresh.id}


def test_known_job_is_not_tagged_again(engine: Engine, clock: Clock) -> None:
    """A repeated call changes nothing, with other tags neither."""
    job = new_job(new_id(), tags=(TAG,))
    engine.jobs.enqueue([job])
    before = everything(engine)
    clock.move(1)
    engine.jobs.enqueue([job])
    job.tags = ("other",)
    engine.jobs.enqueue([job])
    assert everything(engine) == before


@pytest.mark.parametrize("state", list(State))
def test_tag_leads_to_a_job_in_each_state(engine: Engine, job_in: Make, state: State) -> None:
    job_id = job_in(state, tags=(TAG,))
    assert tagged(engine) == [job_id]


def test_retried_and_requeued_job_stays(engine: Engine, slot: Slot, make_job: Make) -> None:
    job_id = make_job(tags=(TAG,), max_attempts=2)
    finish(engine, slot, claimed(engine, slot), RETRIED)
    engine.jobs.requeue(job_id)
    finish(engine, slot, claimed(engine, slot), FAILED)
    engine.jobs.requeue(job_id)
    assert tagged(engine) == [job_id]
    assert engine.inspector.job(job_id).tags == (TAG,)


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_deleted_job_leaves_the_index(engine: Engine, job_in: Make, state: State) -> None:
    """And no key stays that holds nothing."""
    engine.jobs.delete(job_in(state, tags=(TAG, "b")))
    assert not {name for name in everything(engine) if name.startswith("tag:")}


def test_trimmed_job_leaves_the_index(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    for result in (DONE, FAILED):
        make_job(tags=(TAG, "b"))
        finish(engine, slot, claimed(engine, slot), result)
    left = make_job(tags=(TAG,))
    clock.move(60 * 86_400)
    engine.queues.trim()
    assert tagged(engine) == [left]
    assert tagged(engine, "b") == []


def test_all_of_a_tag_are_cancelled(engine: Engine, job_in: Make) -> None:
    """What runs is told to end, what is final stays, and so do the others."""
    running = job_in(State.RUNNING, tags=(TAG,))
    final = [job_in(state, tags=(TAG,)) for state in (State.SUCCEEDED, State.FAILED)]
    waits = [job_in(State.SCHEDULED, tags=(TAG,)), job_in(State.WAITING, tags=(TAG,))]
    waits.append(job_in(State.QUEUED, tags=(TAG, "b")))
    other = job_in(State.SCHEDULED, tags=("b",))

    assert engine.tags.cancel(TAG, "by_hand") == Cancelled(cancelled=3, told=1)

    assert set(places(engine)["cancelled"]["default"]) == set(waits)
    for job_id in waits:
        job = engine.inspector.job(job_id)
        assert (job.state, job.reason) == (State.CANCELLED, "by_hand")
    assert engine.inspector.job(running).cancel == "by_hand"
    assert engine.leases.renew("seeder", {}).held == [
        Lease(running, running, engine.inspector.job(running).fence, cancelled=True)
    ]
    assert [engine.inspector.job(job_id).state for job_id in final] == ["succeeded", "failed"]
    assert engine.inspector.job(other).state is State.SCHEDULED
    assert set(engine.queues.pop_ended(10)) == set(waits)


def test_same_call_again_cancels_no_more(engine: Engine, make_job: Make) -> None:
    make_job(tags=(TAG,))
    assert engine.tags.cancel(TAG) == Cancelled(1, 0)
    assert engine.tags.cancel(TAG) == Cancelled(0, 0)
    assert engine.tags.cancel("other") == Cancelled(0, 0)


def test_many_jobs_take_several_calls(engine: Engine, slot: Slot) -> None:
    """None is left out though some are deleted meanwhile, and new ones are left alone."""
    jobs = [new_job(new_id(), tags=(TAG,)) for _ in range(250)]
    assert [len(stored) for stored in engine.jobs.enqueue_many(jobs)] == [100, 100, 50]
    given: dict[str, Any] = {"tag": TAG, "limit": 100, "reason": "by_hand"}
    assert engine.client.run("cancel_tagged", **given, before=0) == [0, 0, 0]
    assert engine.client.run("cancel_tagged", **given, before="") == [150, 100, 0]
    for job in jobs[:30] + jobs[-30:]:
        engine.jobs.delete(job.id)
    new = new_job(new_id(), tags=(TAG,))
    engine.jobs.enqueue([new])
    assert engine.client.run("cancel_tagged", **given, before=150)[0] == 50
    assert engine.client.run("cancel_tagged", **given, before=50)[0] == 0
    assert engine.inspector.count(State.CANCELLED) == 190
    assert claimed(engine, slot).id == new.id


def test_page_ends_before_its_rank(engine: Engine, make_job: Make) -> None:
    make_job(tags=(TAG,))
    make_job(tags=(TAG,))
    first, second = tagged(engine)
    given: dict[str, Any] = {"tag": TAG, "limit": 100, "reason": "by_hand"}
    assert engine.client.run("cancel_tagged", **given, before=1) == [0, 1, 0]
    assert engine.inspector.job(first).state is State.CANCELLED
    assert engine.inspector.job(second).state is State.QUEUED


def test_end_of_durable_jobs_is_noted(engine: Engine, make_job: Make) -> None:
    job_id = make_job(tags=(TAG,), round=3)
    engine.tags.cancel(TAG, "by_hand")
    (note,) = engine.unsettled.read(0, 10).values()
    assert note is not None
    assert note[:4] == (job_id, 3, State.CANCELLED, "by_hand")


def test_id_of_no_job_is_dropped(engine: Engine, make_job: Make) -> None:
    """A broken enqueue, or damage, may have left it."""
    engine.client.redis.zadd(engine.client.keys("tag", TAG), {new_id(): 1, "nonsense": 2})
    job_id = make_job(tags=(TAG,))
    assert engine.inspector.tags.page(TAG, 0, 10)[0].id == job_id
    assert len(engine.inspector.tags.page(TAG, 0, 10)) == 1
    assert engine.tags.cancel(TAG) == Cancelled(1, 0)
    assert tagged(engine) == [job_id]


def test_key_of_another_type_stops_nobody(engine: Engine, make_job: Make) -> None:
    key = engine.client.keys("tag", TAG)
    engine.client.redis.set(key, "nonsense")
    assert engine.tags.cancel(TAG) == Cancelled(0, 0)
    assert (engine.inspector.tags.count(TAG), engine.inspector.tags.page(TAG, 0, 10)) == (0, [])
    job_id = make_job(tags=(TAG,))
    assert tagged(engine) == [job_id]
    engine.client.redis.set(key, "nonsense")
    assert engine.jobs.delete(job_id)
    engine.client.redis.delete(key)


def test_index_of_gone_jobs_is_cleaned_at_maxmemory(engine: Engine) -> None:
    """Nothing else is written."""
    engine.client.redis.zadd(engine.client.keys("tag", TAG), {new_id(): 1})
    with full_memory(engine):
        assert engine.tags.cancel(TAG) == Cancelled(0, 0)
    assert tagged(engine) == []


def test_full_server_lets_all_be_cancelled(engine: Engine, make_job: Make) -> None:
    """But takes no new job, and no tag of it."""
    make_job(tags=(TAG,))
    with full_memory(engine):
        assert engine.tags.cancel(TAG) == Cancelled(1, 0)
        with pytest.raises(QueueUnavailable):
            make_job(tags=("b",))
    assert tagged(engine, "b") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("tag", "a b"), ("tag", ""), ("reason", "a b"), ("limit", "x"), ("before", "x")],
)
def test_bad_word_is_named(engine: Engine, name: str, value: str) -> None:
    given: dict[str, Any] = {"tag": TAG, "before": "", "limit": 10, "reason": "r", name: value}
    with pytest.raises(QueueUnavailable, match=f'{name} is "{value}"'):
        engine.client.run("cancel_tagged", **given)
