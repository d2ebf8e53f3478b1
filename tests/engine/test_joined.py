"""Unique jobs, limits, rates and limited queues together."""

from datetime import timedelta

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.places import Make, claimed, finish, nothing
from tests.support.unique import stored, winner

ONE = ("1w:k",)


def slots(many: int) -> list[Slot]:
    return [Slot("worker-1", f"{number}.0") for number in range(many)]


def state(engine: Engine, job_id: str) -> State:
    return engine.inspector.job(job_id).state


def test_due_job_of_a_full_queue_waits(engine: Engine, clock: Clock, make_job: Make) -> None:
    """The claim that has seen that the queue is full is the one that promotes the job."""
    engine.client.run("set_limits", queues="mail 1 ")
    make_job(queue="mail")
    a, b = slots(2)
    first = claimed(engine, a, ALL_QUEUES)
    due = make_job(queue="mail", due=timedelta(seconds=5))
    clock.move(6)
    assert nothing(engine, b, ALL_QUEUES) == NoJob()
    finish(engine, a, first)
    assert claimed(engine, b, ALL_QUEUES).id == due


def test_admitted_job_of_a_full_queue_waits(engine: Engine, clock: Clock, make_job: Make) -> None:
    """The claim that has seen that the queue is full is the one that admits the job."""
    engine.client.run("set_limits", queues="mail 1 ")
    a, b, c = slots(3)
    make_job(queue="x", limits=("1r5000.1:api",))
    claimed(engine, a, "x")
    waits = make_job(queue="mail", limits=("1r5000.1:api",))
    assert not nothing(engine, b, "mail").more
    assert state(engine, waits) is State.WAITING
    make_job(queue="mail")
    claimed(engine, b, ALL_QUEUES)
    clock.move(6)
    assert nothing(engine, c, ALL_QUEUES) == NoJob()
    assert state(engine, waits) is State.QUEUED


def test_requeued_job_is_cancelled_by_a_newer_one(engine: Engine, make_job: Make) -> None:
    newest = ("1o:k",)
    first, second = make_job(limits=newest), make_job(limits=newest)
    engine.jobs.requeue(first)
    assert state(engine, second) is State.QUEUED
    last = make_job(limits=newest)
    assert state(engine, first) is state(engine, second) is State.CANCELLED
    assert claimed(engine, slots(1)[0]).id == last


def test_lost_place_skips_nobody(engine: Engine, make_job: Make) -> None:
    """A claim that broke has left it, and the job was cancelled since then: no job waits there."""
    gone = make_job(limits=("1s:k",))
    engine.jobs.cancel(gone)
    engine.client.redis.zadd(engine.client.keys("places", "k"), {gone: 1})
    later = make_job(limits=("1s:k",))
    assert claimed(engine, slots(1)[0]).id == later


def test_job_that_expires_while_it_waits_frees_its_lock(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    make_job(limits=ONE)
    a, b = slots(2)
    job = claimed(engine, a)
    first = stored(engine, limits=ONE, expires="+5000", due=None)
    assert not nothing(engine, b).more
    assert state(engine, first) is State.WAITING
    clock.move(6)
    second = stored(engine, limits=ONE, due=None)
    assert state(engine, second) is State.WAITING
    finish(engine, a, job)
    assert claimed(engine, b).id == second
    assert state(engine, first) is State.CANCELLED
    assert winner(engine, limits=ONE, due=None) == second
