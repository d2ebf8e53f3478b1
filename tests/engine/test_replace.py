"""replace: a later call takes the place of a job that waits, or is told that it waits no more."""

import re
from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.payloads import read
from tests.support.places import (
    RETRIED,
    claimed,
    drop_tokens,
    everything,
    finish,
    full_memory,
    record,
    score,
    tokens,
)
from tests.support.unique import KEY, NEWEST, OTHER_KEY, store, stored

LONG = b"x" * 100
DEBOUNCE = 5_000


def waiting(engine: Engine, payload: bytes = b"first", **given: Any) -> str:
    given.setdefault("due", None)
    return stored(engine, NEWEST, payload=payload, **given)


def replace(
    engine: Engine, call: Job, payload: bytes = b"second", number: int = 0, job_id: str = ""
) -> bool:
    """Make the second call of an enqueue."""
    assert call.duplicate is not None
    number = number or call.duplicate.number
    return engine.locks.replace(call, job_id or call.duplicate.id, number, payload)


@pytest.mark.parametrize("before", [b"first", LONG])
@pytest.mark.parametrize("after", [b"second", b"x" * 64, b"x" * 65])
def test_job_gets_the_arguments(engine: Engine, slot: Slot, before: bytes, after: bytes) -> None:
    """Short ones are a field, long ones a key: no other stays. The same call again is no harm."""
    job_id = waiting(engine, before)
    call = store(engine, NEWEST)
    assert replace(engine, call, after)
    once = everything(engine)
    assert replace(engine, call, after)
    assert everything(engine) == once
    assert read(engine, job_id) == after
    assert ("payload" in record(engine, job_id)) == (len(after) <= 64)
    assert engine.client.redis.exists(engine.client.keys("payload", job_id)) == (len(after) > 64)
    assert claimed(engine, slot).payload == after


def test_latest_call_wins_in_whatever_order_they_arrive(engine: Engine) -> None:
    job_id = waiting(engine)
    calls = [store(engine, NEWEST) for _ in range(3)]
    for number in (1, 2, 0, 1):
        assert replace(engine, calls[number], f"call {number}".encode())
    assert read(engine, job_id) == b"call 2"


def test_same_number_again_writes_again(engine: Engine) -> None:
    """The first call may have broken before its arguments were there."""
    job_id = waiting(engine)
    call = store(engine, NEWEST)
    for payload in (b"x", LONG, b"y"):
        assert replace(engine, call, payload)
        assert read(engine, job_id) == payload


def test_long_arguments_have_their_number_too(engine: Engine) -> None:
    job_id = waiting(engine, LONG)
    older, call = store(engine, NEWEST), store(engine, NEWEST)
    assert replace(engine, call, LONG + b"new")
    assert replace(engine, older, LONG + b"old")
    assert read(engine, job_id) == LONG + b"new"


def test_shorter_debounce_is_noticed(engine: Engine, clock: Clock) -> None:
    """Whoever waits until the job is due wakes earlier."""
    job_id = stored(engine, "newest,50000,60000", due=timedelta(seconds=50))
    drop_tokens(engine)
    assert replace(engine, store(engine, "newest,1000,60000"))
    assert tokens(engine) == 1
    clock.move(2)
    assert engine.queues.promote() == 1
    assert record(engine, job_id)["state"] == "queued"


def test_job_with_another_rule_that_runs_is_not_changed(engine: Engine, slot: Slot) -> None:
    """It holds its lock, but waits no more."""
    job_id = stored(engine)
    call = store(engine, NEWEST)
    claimed(engine, slot)
    before = everything(engine)
    assert not replace(engine, call, job_id=job_id)
    assert everything(engine) == before


def test_record_without_its_time_counts_from_now(engine: Engine) -> None:
    job_id = waiting(engine, due=timedelta(hours=1))
    call = store(engine, NEWEST)
    engine.client.redis.hdel(engine.client.keys("job", job_id), "enqueued_at")
    assert replace(engine, call)
    due = score(engine, "scheduled", job_id)
    assert due is not None
    assert 0 <= due - int(engine.client.run("get_cached", digest="x")[0]) <= DEBOUNCE


def test_each_call_puts_the_job_off(engine: Engine, clock: Clock) -> None:
    """Until at_most is reached: then it runs, however many come."""
    now = int(engine.client.run("get_cached", digest="x")[0])
    job_id = waiting(engine, due=now + DEBOUNCE)
    for _ in range(12):
        clock.move(4)
        assert replace(engine, store(engine, NEWEST))
    due = score(engine, "scheduled", job_id)
    assert due is not None
    assert 47_900 + DEBOUNCE <= due - now < 54_000
    for _ in range(2):
        clock.move(4)
        assert replace(engine, store(engine, NEWEST))
    due = score(engine, "scheduled", job_id)
    assert due is not None
    assert 59_900 <= due - now < 61_000
    clock.move(10)
    assert replace(engine, store(engine, NEWEST))
    moved = score(engine, "scheduled", job_id)
    assert moved is not None
    assert moved > due  # never into the past
    clock.move(1)
    assert engine.queues.promote() == 1


def test_job_that_waits_for_a_slot_stays_there(engine: Engine) -> None:
    job_id = waiting(engine)
    assert replace(engine, store(engine, NEWEST))
    assert score(engine, "scheduled", job_id) is None
    assert record(engine, job_id)["state"] == "queued"


def test_job_that_has_started_is_not_changed(engine: Engine, slot: Slot) -> None:
    """The caller is told, and stores its call."""
    job_id = waiting(engine)
    call = store(engine, NEWEST)
    job = claimed(engine, slot)
    before = everything(engine)
    assert not replace(engine, call)
    assert everything(engine) == before
    finish(engine, slot, job, RETRIED)
    assert not replace(engine, call)
    engine.jobs.cancel(job_id)
    assert not replace(engine, call)
    engine.jobs.delete(job_id)
    assert not replace(engine, call)


def test_repeated_call_hears_the_same_after_the_start(engine: Engine, slot: Slot) -> None:
    """And so does one that a later call had overtaken before it."""
    waiting(engine)
    older, call = store(engine, NEWEST), store(engine, NEWEST)
    assert replace(engine, call)
    claimed(engine, slot)
    before = everything(engine)
    assert replace(engine, call, b"other")
    assert replace(engine, older)
    assert everything(engine) == before


def test_job_that_lost_its_lock_is_not_changed(engine: Engine, slot: Slot) -> None:
    """Another one has the key: the call takes the place of that one."""
    job_id = waiting(engine, expires="1")
    other = store(engine, NEWEST)
    assert other.duplicate is None
    call = store(engine, NEWEST)
    assert not replace(engine, call, job_id=job_id)
    assert replace(engine, call, job_id=other.id)


def test_requeued_job_waits_again(engine: Engine, slot: Slot) -> None:
    job_id = waiting(engine)
    finish(engine, slot, claimed(engine, slot))
    engine.jobs.requeue(job_id)
    assert replace(engine, store(engine, NEWEST))
    assert read(engine, job_id) == b"second"


def test_expiry_counts_from_the_call(engine: Engine, clock: Clock) -> None:
    job_id = waiting(engine, expires="+10000")
    clock.move(9)
    assert replace(engine, store(engine, NEWEST, expires="+10000"))
    clock.move(5)
    assert store(engine, NEWEST).duplicate is not None
    assert replace(engine, store(engine, NEWEST, expires="99999999999999"))
    assert record(engine, job_id)["expires"] == "99999999999999"
    assert replace(engine, store(engine, NEWEST))
    assert record(engine, job_id)["expires"] == "99999999999999"


@pytest.mark.parametrize("told", ["", "told", "kept"])
def test_id_of_the_call_leads_to_the_job(engine: Engine, told: str) -> None:
    """If its caller has it already, whether the call was the latest or not."""
    job_id = waiting(engine, round=1)
    calls = [store(engine, NEWEST, told=told, round=1) for _ in range(2)]
    for call in reversed(calls):
        assert replace(engine, call)
        assert engine.locks.stands_for(call.id) == (job_id if told else "")
    assert {f"duplicate:{call.id}" for call in calls if told} == {
        name for name in everything(engine) if name.startswith("duplicate:")
    }
    engine.jobs.enqueue(calls)
    numbers = [call.duplicate.number for call in calls if call.duplicate]
    assert (numbers == [0, 0]) == bool(told)


def test_full_server_refuses_and_changes_nothing(engine: Engine) -> None:
    job_id = waiting(engine)
    call = store(engine, NEWEST)
    before = everything(engine)
    with full_memory(engine), pytest.raises(QueueUnavailable):
        replace(engine, call)
    assert everything(engine) == before
    assert engine.inspector.job(job_id).state is State.QUEUED


@pytest.mark.parametrize(
    ("name", "value"),
    [("number", "x"), ("unique", "x"), ("unique", f"{KEY} done"), ("unique", f"{OTHER_KEY} +1")],
)
def test_bad_word_is_named(engine: Engine, name: str, value: str) -> None:
    job_id = waiting(engine)
    given: dict[str, Any] = {"id": job_id, "number": 1, "unique": f"{KEY} {NEWEST}"}
    given |= {"expires": "", "payload": b"x", "caller": "", name: value}
    with pytest.raises(QueueUnavailable, match=re.escape(f'{name} is "{value}"')):
        engine.client.run("replace", **given)
