"""sum: the jobs of each state over all queues, once there are many."""

from collections import Counter

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.engine.queue_reader import MOST_QUEUES
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import Make, everything, full_memory

INTERVAL = 10_000
PAGE_EVERY = 0.2  # seconds, between the pages of a sum


def fill(engine: Engine, queues: int) -> None:
    """Store a job in each of so many queues."""
    jobs = [new_job(new_id(), f"q{number:04}", "a.b", b"-") for number in range(queues)]
    for at in range(0, queues, CHUNK):
        engine.jobs.enqueue(jobs[at : at + CHUNK])


def sum_all(engine: Engine, clock: Clock) -> int:
    """Make a whole sum; return how many calls it took."""
    calls = 1
    while engine.queues.sum(INTERVAL):
        clock.move(PAGE_EVERY)
        calls += 1
    return calls


def counts(engine: Engine) -> dict[State, int]:
    sums = engine.inspector.sums()
    assert sums is not None
    return dict(Counter(sums.counts) - Counter())


def test_few_queues_need_no_sum(engine: Engine, clock: Clock) -> None:
    """They are counted when somebody looks."""
    fill(engine, MOST_QUEUES)
    before = everything(engine)
    assert sum_all(engine, clock) == 1
    assert everything(engine) == before
    assert engine.inspector.sums() is None
    assert engine.inspector.count(State.QUEUED) == MOST_QUEUES


def test_many_queues_are_summed_in_pages(engine: Engine, clock: Clock, job_in: Make) -> None:
    for state in State:
        job_in(state, queue=f"x-{state}")
    fill(engine, 600)
    assert engine.inspector.count(State.QUEUED) == 0, "not summed yet"
    assert sum_all(engine, clock) == 4
    wanted = dict.fromkeys(State, 1) | {State.QUEUED: 601}
    assert counts(engine) == wanted
    assert {state: engine.inspector.count(state) for state in State} == wanted


def test_last_sum_stands_while_the_next_one_is_made(engine: Engine, clock: Clock) -> None:
    fill(engine, 600)
    sum_all(engine, clock)
    fill(engine, 550)
    clock.move(11)
    for _ in range(2):
        assert engine.queues.sum(INTERVAL)
        assert counts(engine) == {State.QUEUED: 600}
        clock.move(PAGE_EVERY)
    assert not engine.queues.sum(INTERVAL)
    assert counts(engine) == {State.QUEUED: 1150}


@pytest.mark.parametrize(("seconds", "sums"), [(8, False), (11, True), (-20, True)])
def test_next_sum_begins_after_the_interval(
    engine: Engine, clock: Clock, seconds: int, sums: bool
) -> None:
    """All workers share one sum; a clock that went back delays none."""
    fill(engine, 201)
    sum_all(engine, clock)
    fill(engine, 1)
    clock.move(seconds)
    sum_all(engine, clock)
    assert counts(engine) == {State.QUEUED: 202 if sums else 201}


def test_workers_do_not_hurry_a_sum_together(engine: Engine, clock: Clock) -> None:
    """However many there are, its pages leave the server time for jobs."""
    fill(engine, 600)
    assert [engine.queues.sum(INTERVAL) for _ in range(5)] == [True] * 5
    assert engine.client.redis.hget(engine.client.keys("sums"), "next") == b"q0200"
    clock.move(PAGE_EVERY)
    assert engine.queues.sum(INTERVAL)
    clock.move(-3600)
    assert not engine.queues.sum(INTERVAL), "whatever the clock did"


def test_age_of_a_sum_is_that_of_its_first_page(engine: Engine, clock: Clock) -> None:
    fill(engine, 600)
    seconds, _ = engine.client.redis.time()
    engine.queues.sum(INTERVAL)
    for _ in range(2):
        clock.move(5)
        engine.queues.sum(INTERVAL)
    sums = engine.inspector.sums()
    assert sums is not None
    assert 0 <= sums.at / 1000 - seconds < 5


@pytest.mark.parametrize(("seconds", "calls"), [(-12, 1), (2, 100)])
def test_very_many_queues_are_summed_more_rarely(
    engine: Engine, clock: Clock, seconds: int, calls: int
) -> None:
    """So the server's work per second is bounded: of 20,000, every 20 s."""
    names = engine.client.keys("names")
    engine.client.redis.zadd(names, {f"q{number:05}": 0 for number in range(20_000)})
    assert sum_all(engine, clock) == 100
    clock.move(seconds)  # after the sum, which took 20 s
    assert sum_all(engine, clock) == calls
    engine.client.redis.delete(names)


def test_sums_go_once_there_are_few_queues(engine: Engine, clock: Clock) -> None:
    fill(engine, 201)
    sum_all(engine, clock)
    for job in engine.inspector.page(State.QUEUED, 0, 9, queues=["q0000"]):
        engine.jobs.delete(job.id)
    engine.queues.trim()
    sum_all(engine, clock)
    assert engine.inspector.sums() is None


def test_sum_works_at_maxmemory(engine: Engine) -> None:
    """The maintenance of a full server goes on."""
    fill(engine, 201)
    with full_memory(engine):
        assert [engine.queues.sum(0) for _ in range(2)] == [True, False]
    assert counts(engine) == {State.QUEUED: 201}


def test_damage_ends_no_sum(engine: Engine, clock: Clock) -> None:
    """Neither a key of another type nor a field that is no number."""
    fill(engine, 201)
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("sums"), "nonsense")
    client.set(keys("failed", "q0000"), "nonsense")
    sum_all(engine, clock)
    assert counts(engine) == {State.QUEUED: 201}
    client.hset(keys("sums"), mapping={"at": "x", "next": b"\xff", "part:queued": "x"})
    sum_all(engine, clock)
    sum_all(engine, clock)
    client.delete(keys("failed", "q0000"))
    assert engine.inspector.sums() is not None


def test_interval_must_be_a_number(engine: Engine) -> None:
    with pytest.raises(QueueUnavailable, match="interval"):
        engine.client.run("sum", interval="soon")
