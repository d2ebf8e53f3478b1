"""Rates: never more starts in any window than may be, evenly if asked for, and none is dropped."""

import random
from typing import Any

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import ALL_QUEUES, NoJob, Slot
from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock, scripts_with
from tests.support.jobs import new_job
from tests.support.places import (
    DONE,
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
)

STILL_CLOCK = "local function now() return redis.call('GET', KEYS[1] .. 'clock') end"
START = 1_700_000_000_000  # ms


class Still:
    """A clock that stands, in ms; the rates of a test are exact."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.now = START
        self.move(0)

    def move(self, ms: float) -> None:
        self.now += round(ms)
        self._engine.client.redis.set(self._engine.client.keys("clock"), self.now)


@pytest.fixture
def still(engine: Engine) -> Still:
    client = Client("default", load("default"), scripts=scripts_with(STILL_CLOCK))
    clock = Still(engine)
    client.attach()
    vars(engine).update(vars(Engine(client)))
    return clock


def store(engine: Engine, many: int, *limits: str, **given: Any) -> list[str]:
    jobs = [new_job(new_id(), limits=limits, **given) for _ in range(many)]
    for _ in engine.jobs.enqueue_many(jobs):
        pass
    return [job.id for job in jobs]


def work(engine: Engine, clock: Still, until: int, *queues: str, late: int = 0) -> list[int]:
    """Let one slot claim and finish at once until a time; return when jobs started, since START.

    The slot sleeps as long as the engine says, and so much longer.
    """
    slot, starts = Slot("worker-1", "0.0"), []
    while clock.now <= START + until:
        found = engine.claims.claim(slot, queues or ("default",))
        if isinstance(found, Job):
            starts.append(clock.now - START)
            finish(engine, slot, found)
        elif not found.more:
            if found.wait_ms is None:
                break
            clock.move(max(1, min(found.wait_ms, 5000)) + late)
    return starts


def most_in(window: int, starts: list[int]) -> int:
    """Return how many starts there are in the fullest window."""
    return max(sum(at <= one <= at + window for one in starts) for at in starts)


@pytest.mark.parametrize(
    ("word", "count", "window"),
    [
        ("50r1000.50", 50, 1000),
        ("50r1000.1", 50, 1000),
        ("50r1000.7", 50, 1000),
        ("100r60000.100", 100, 60_000),
        ("100r60000.10", 100, 60_000),
        ("1r1000.1", 1, 1000),
        ("3r1000.2", 3, 1000),
    ],
)
def test_rate_is_kept_and_used(
    engine: Engine, still: Still, word: str, count: int, window: int
) -> None:
    """No window has more starts, and while jobs wait hardly a start is missed."""
    windows = 4
    store(engine, count * (windows + 1), f"{word}:k")
    starts = work(engine, still, windows * window)
    assert most_in(window, starts) == count
    assert len([at for at in starts if at < windows * window]) >= 0.95 * count * windows
    work(engine, still, 10 * windows * window)
    assert places(engine)["succeeded"] == {"default": places(engine)["succeeded"]["default"]}
    assert engine.inspector.count(State.SUCCEEDED) == count * (windows + 1)


def test_rate_is_used_by_slots_that_come_late(engine: Engine, still: Still) -> None:
    """They catch up, as far as the window lets them."""
    store(engine, 400, "50r1000.10:k")
    starts = work(engine, still, 6000, late=7)
    assert most_in(1000, starts) <= 50
    assert len(starts) >= 0.95 * 300


def test_burst_goes_first_and_the_rest_evenly(engine: Engine, still: Still) -> None:
    store(engine, 9, "60r60000.4:k")
    assert work(engine, still, 60_000) == [0, 0, 0, 0, 1000, 2000, 3000, 4000, 5000]


def test_burst_comes_back_with_time(engine: Engine, still: Still) -> None:
    """As much as was not used."""
    store(engine, 4, "60r60000.4:k")
    assert work(engine, still, 0) == [0, 0, 0, 0]
    still.move(2000)
    store(engine, 4, "60r60000.4:k")
    assert work(engine, still, 60_000) == [2000, 2000, 3000, 4000]


def test_rate_above_a_thousand_counts_in_slices(engine: Engine, still: Still) -> None:
    """It errs to fewer starts."""
    store(engine, 2100, "1001r1000.1001:k")
    starts = work(engine, still, 1500)
    assert len([at for at in starts if at < 1000]) == 1000
    assert len(starts) > 1001
    assert most_in(1000, starts) <= 1001
    assert engine.client.redis.llen(engine.client.keys("starts", "k")) <= 1000


def test_delayed_job_waits_without_a_slot(engine: Engine, still: Still) -> None:
    first, second, third = store(engine, 3, "1r60000.1:k")
    other = store(engine, 1)[0]
    assert claimed(engine, Slot("worker-1", "0.0")).id == first
    assert claimed(engine, Slot("worker-1", "1.0")).id == other
    assert nothing(engine, Slot("worker-1", "2.0")) == NoJob(wait_ms=60_001)
    job = engine.inspector.job(second)
    assert (job.state, job.attempts, job.parked) == (State.WAITING, 0, "k")
    assert engine.inspector.job(third).state is State.WAITING
    later = store(engine, 1, "1r60000.1:k")[0]
    assert engine.inspector.job(later).state is State.WAITING
    still.move(60_000)
    assert nothing(engine, Slot("worker-1", "3.0")) == NoJob(wait_ms=1)
    still.move(1)
    assert claimed(engine, Slot("worker-1", "3.0")).id == second


def test_earlier_of_two_times_is_told(engine: Engine, still: Still) -> None:
    store(engine, 2, "1r60000.1:k")
    store(engine, 1, due=START + 5000)
    claimed(engine, Slot("worker-1", "0.0"))
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob(wait_ms=5000)
    store(engine, 2, "1r1000.1:z")
    claimed(engine, Slot("worker-1", "1.0"))
    assert nothing(engine, Slot("worker-1", "2.0")) == NoJob(wait_ms=1001)
    store(engine, 2, "1r60000.1:y")
    claimed(engine, Slot("worker-1", "2.0"))
    assert nothing(engine, Slot("worker-1", "3.0")) == NoJob(wait_ms=1001)


def test_two_rates_of_one_key(engine: Engine, still: Still) -> None:
    """Tasks may differ in what they allow; the job that may start first is not held up."""
    _, fast = store(engine, 2, "60r60000.1:k")
    store(engine, 1, "1r60000.1:k", task="a.slow")
    claimed(engine, Slot("worker-1", "0.0"))
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob(wait_ms=1000)
    still.move(1000)
    assert claimed(engine, Slot("worker-1", "1.0")).id == fast


def test_keys_have_rates_of_their_own(engine: Engine, still: Still) -> None:
    a = store(engine, 2, "1r60000.1:a")
    b = store(engine, 2, "1r60000.1:b")
    found = [claimed(engine, Slot("worker-1", f"{n}.0"), ALL_QUEUES).id for n in range(2)]
    assert found == [a[0], b[0]]
    still.move(60_001)
    found = [claimed(engine, Slot("worker-1", f"{n}.0"), ALL_QUEUES).id for n in range(2, 4)]
    assert found == [a[1], b[1]]


@pytest.mark.parametrize("way", ["retry", "release", "reap", "requeue"])
def test_every_start_counts(engine: Engine, still: Still, way: str) -> None:
    """Also that of a retry, of a recovery, and of a job that is requeued."""
    (job_id,) = store(engine, 1, "1r60000.1:k", max_attempts=5)
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    if way == "reap":
        still.move(31_000)
        engine.queues.reap(**REAP)
    elif way == "requeue":
        finish(engine, slot, job)
        engine.jobs.requeue(job_id)
    else:
        end = RELEASED if way == "release" else RETRIED._replace(delay_ms=0)
        finish(engine, slot, job, end)
    assert isinstance(engine.claims.claim(slot, ["default"]), NoJob)
    assert engine.inspector.job(job_id).state is State.WAITING
    still.move(60_001)
    assert claimed(engine, slot).id == job_id


def test_repeated_claim_counts_once(engine: Engine, still: Still) -> None:
    store(engine, 2, "2r60000.2:k")
    slot = Slot("worker-1", "0.0")
    nonce = slot.nonce
    first = claimed(engine, slot)
    before = everything(engine)
    slot.nonce = nonce
    assert claimed(engine, slot).id == first.id
    assert everything(engine) == before
    claimed(engine, Slot("worker-1", "1.0"))


def test_promotion_admits(engine: Engine, still: Still) -> None:
    """It wakes slots that slept before any job waited for the rate."""
    _, second = store(engine, 2, "1r1000.1:k")
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    still.move(1001)
    drop_tokens(engine)
    assert engine.queues.promote() == 0
    assert engine.inspector.job(second).state is State.QUEUED
    assert engine.client.redis.llen(engine.client.keys("wake", "default")) == 1


@pytest.mark.parametrize("ms", [1001, 3_600_000])
def test_no_more_are_admitted_than_may_start(engine: Engine, still: Still, ms: int) -> None:
    """While all slots are busy the line stays where it is, but for the pace of the rate."""
    store(engine, 50, "10r1000.10:k")
    for number in range(10):
        claimed(engine, Slot("worker-1", f"{number}.0"))
    nothing(engine, Slot("worker-1", "10.0"))
    still.move(ms)
    for _ in range(20):
        engine.queues.promote()
    assert len(places(engine)["queued"]["default"]) <= 12


def test_maintenance_admits_one_at_a_time(engine: Engine, still: Still) -> None:
    """Though more may start by now: they may be many, and all slots busy."""
    store(engine, 15, "10r1000.10:k")
    for number in range(10):
        claimed(engine, Slot("worker-1", f"{number}.0"))
    nothing(engine, Slot("worker-1", "10.0"))
    still.move(1001)
    engine.limits.admit()
    assert len(places(engine)["queued"]["default"]) == 1
    assert len(places(engine)["waiting"]["default"]) == 4


def test_limit_and_rate_together(engine: Engine, still: Still) -> None:
    """Of one task, also with one key for both."""
    first, second, third = store(engine, 3, "1w:a.b", "1r1000.1:a.b")
    a, b = Slot("worker-1", "0.0"), Slot("worker-1", "1.0")
    job = claimed(engine, a)
    assert nothing(engine, b) == NoJob()
    still.move(1001)
    assert nothing(engine, b) == NoJob()
    finish(engine, a, job)
    job = claimed(engine, a)
    assert job.id == second
    finish(engine, a, job)
    assert nothing(engine, a) == NoJob(wait_ms=1001)
    still.move(1001)
    assert claimed(engine, a).id == third
    assert first != third


def test_line_of_a_limit_is_none_of_a_rate(engine: Engine, still: Still) -> None:
    """Though its jobs have a rate, too."""
    store(engine, 2, "1w:item", "1r1000.1:api")
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    still.move(1001)
    assert engine.limits.admit() == 1
    assert not engine.client.redis.exists(engine.client.keys("rates"))


def test_job_whose_limit_is_full_too_holds_up_no_rate(engine: Engine, still: Still) -> None:
    """When its time has come, it waits for its limit, and the next one starts."""
    store(engine, 1, "1w:item")
    claimed(engine, Slot("worker-1", "0.0"))
    store(engine, 2, "1r1000.1:api")
    (both,) = store(engine, 1, "1r1000.1:api", "1w:item")
    (last,) = store(engine, 1, "1r1000.1:api")
    claimed(engine, Slot("worker-1", "1.0"))
    assert nothing(engine, Slot("worker-1", "2.0")) == NoJob(wait_ms=1001)
    still.move(1001)
    claimed(engine, Slot("worker-1", "2.0"))
    still.move(1001)
    assert claimed(engine, Slot("worker-1", "3.0")).id == last
    assert engine.inspector.job(both).parked == "item"


def test_job_that_finds_its_limit_full_uses_no_start(engine: Engine, still: Still) -> None:
    store(engine, 1, "1w:item")
    claimed(engine, Slot("worker-1", "0.0"))
    both = store(engine, 1, "1w:item", "1r1000.1:api")
    free = store(engine, 1, "1r1000.1:api")
    assert claimed(engine, Slot("worker-1", "1.0")).id == free[0]
    assert engine.inspector.job(both[0]).parked == "item"


def test_cancelled_jobs_leave_the_rate(engine: Engine, still: Still) -> None:
    ids = store(engine, 3, "1r1000.1:k")
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    for job_id in ids[1:]:
        engine.jobs.cancel(job_id)
    still.move(1001)
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob()
    assert engine.client.redis.zcard(engine.client.keys("rates")) == 0
    assert not engine.client.redis.hexists(engine.client.keys("meta"), "rated")


def test_changed_rate_holds_for_waiting_jobs(engine: Engine, still: Still) -> None:
    store(engine, 5, "1r60000.1:k")
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    engine.limits.set_limits({"a.b": "30r60000.1"})
    still.move(1001)
    engine.limits.admit()
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob(wait_ms=999)
    still.move(999)
    claimed(engine, Slot("worker-1", "1.0"))
    engine.limits.set_limits({"a.b": ""})
    still.move(11_000)
    engine.limits.admit()
    for number in range(2, 5):
        claimed(engine, Slot("worker-1", f"{number}.0"))


def test_limit_that_became_a_rate_holds_nobody(engine: Engine, still: Still) -> None:
    """And the other way round: jobs that were stored before have no word of the new kind."""
    for words, now in (("1w:k", "1r60000.1"), ("1r60000.1:k", "1w")):
        store(engine, 2, words)
        engine.limits.set_limits({"a.b": now})
        running = [(slot, claimed(engine, slot)) for slot in (Slot("w", "0"), Slot("w", "1"))]
        for slot, job in running:
            finish(engine, slot, job)
    assert engine.client.redis.exists(engine.client.keys("places", "k")) == 0


def test_clock_that_went_back(engine: Engine, still: Still) -> None:
    """Nobody waits for the time that was, and no burst comes of it."""
    store(engine, 30, "10r1000.10:k")
    assert len(work(engine, still, 0)) == 10
    still.move(-3_600_000)
    engine.limits.admit()
    assert 2000 < engine.client.redis.pttl(engine.client.keys("starts", "k")) <= 62_000
    began = still.now
    starts = [at + START - began for at in work(engine, still, -3_600_000 + 5000)]
    assert 1000 <= starts[0] <= 1100
    assert most_in(1000, starts) <= 10
    assert len(starts) == 20


def test_clock_that_went_back_by_a_second(engine: Engine, still: Still) -> None:
    """Servers correct their clocks: that costs no start."""
    store(engine, 9, "10r60000.10:k")
    claimed(engine, Slot("worker-1", "0.0"))
    still.move(-1000)
    for number in range(1, 9):
        claimed(engine, Slot("worker-1", f"{number}.0"))


def test_clock_that_went_ahead(engine: Engine, still: Still) -> None:
    store(engine, 30, "10r1000.10:k")
    work(engine, still, 0)
    still.move(3_600_000)
    starts = work(engine, still, 3_600_000 + 3000)
    assert most_in(1000, starts) <= 10
    assert len(starts) == 20


def test_full_server_keeps_to_the_rate(engine: Engine, still: Still) -> None:
    store(engine, 2, "1r1000.1:k")
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    with full_memory(engine):
        assert engine.claims.finish(slot, job, DONE, ["default"]).next == NoJob(wait_ms=1001)


def test_longest_window_is_a_day(engine: Engine, still: Still) -> None:
    store(engine, 2, "1r86400000.1:k")
    claimed(engine, Slot("worker-1", "0.0"))
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob(wait_ms=86_400_001)


DAMAGED = ["1r:k", "1rx.1:k", "0r1000.1:k", "1r100000000.1:k", f"1r{10**22}.1:k"]


@pytest.mark.parametrize("word", DAMAGED)
def test_damaged_words_limit_nothing(engine: Engine, still: Still, word: str) -> None:
    for job_id in store(engine, 3, "1r1000.1:k"):
        engine.client.redis.hset(engine.client.keys("job", job_id), "limits", word)
    for number in range(3):
        claimed(engine, Slot("worker-1", f"{number}.0"))


@pytest.mark.parametrize("word", DAMAGED)
def test_waiting_job_with_damaged_words_waits_no_longer(
    engine: Engine, still: Still, word: str
) -> None:
    """And none that waits with it: their rate has no times to wait for."""
    ids = store(engine, 3, "1r1000.1:k")
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    for job_id in ids:
        engine.client.redis.hset(engine.client.keys("job", job_id), "limits", word)
    still.move(1001)
    assert claimed(engine, Slot("worker-1", "1.0")).id == ids[1]
    assert nothing(engine, Slot("worker-1", "2.0")) == NoJob()
    engine.limits.admit()
    assert claimed(engine, Slot("worker-1", "2.0")).id == ids[2]


def test_damaged_times_are_forgotten(engine: Engine, still: Still) -> None:
    store(engine, 3, "1r1000.1:k")
    starts = engine.client.keys("starts", "k")
    engine.client.redis.rpush(starts, "nonsense")
    claimed(engine, Slot("worker-1", "0.0"))
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob(wait_ms=1001)
    engine.client.redis.delete(starts)
    engine.client.redis.set(starts, "x")
    still.move(1001)
    claimed(engine, Slot("worker-1", "1.0"))


def test_damaged_hint_is_set_right(engine: Engine, still: Still) -> None:
    """Claims go on, and the maintenance notes again when the next job may start."""
    _, waits = store(engine, 2, "1r1000.1:k")
    claimed(engine, Slot("worker-1", "0.0"))
    nothing(engine, Slot("worker-1", "1.0"))
    engine.client.redis.hset(engine.client.keys("meta"), "rated", "x")
    engine.client.redis.delete(engine.client.keys("rates"))
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob()
    still.move(1000)
    engine.limits.admit()
    assert nothing(engine, Slot("worker-1", "1.0")) == NoJob(wait_ms=1)
    still.move(1)
    assert claimed(engine, Slot("worker-1", "1.0")).id == waits


def test_many_slots_and_other_jobs(engine: Engine, still: Still) -> None:
    """Slots that run long jobs, at random: the rate is kept, and nothing else is held up."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    randomly = random.Random(seed)
    keyed = set(store(engine, 160, "20r1000.5:k"))
    others = store(engine, 200)
    busy: list[tuple[int, Slot, Job]] = []
    idle = [Slot("worker-1", f"{number}.0") for number in range(8)]
    starts: list[int] = []
    order: list[str] = []
    while still.now < START + 6_000:
        for slot in list(idle):
            found = engine.claims.claim(slot, ["default"])
            while isinstance(found, NoJob) and found.more:
                found = engine.claims.claim(slot, ["default"])
            if isinstance(found, Job):
                idle.remove(slot)
                busy.append((still.now + randomly.randrange(40), slot, found))
                order.append(found.id)
                if found.id in keyed:
                    starts.append(still.now - START)
        still.move(randomly.randrange(1, 9))
        for entry in [one for one in busy if one[0] <= still.now]:
            busy.remove(entry)
            finish(engine, entry[1], entry[2])
            idle.append(entry[1])
    assert most_in(1000, starts) <= 20
    assert len(starts) >= 0.95 * 20 * 6
    assert set(others) < set(order)
    assert [one for one in order if one in keyed] == sorted(one for one in order if one in keyed)
    for _, slot, job in busy:
        finish(engine, slot, job)


def test_clock_that_runs_admits_in_time(engine: Engine, clock: Clock, make_job: Make) -> None:
    """With the server's own clock: the key of the starts goes when its window is over."""
    for _ in range(2):
        make_job(limits=("1r1000.1:k",))
    claimed(engine, Slot("worker-1", "0.0"))
    assert 2000 < engine.client.redis.pttl(engine.client.keys("starts", "k")) <= 62_000
    clock.move(1.01)
    claimed(engine, Slot("worker-1", "1.0"))
