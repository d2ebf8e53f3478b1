"""The inspector: what people see of jobs, queues and workers. It writes nothing."""

from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine, get_engine, queue_reader
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.inspector import MERGE_DEPTH
from django_jobqueue.engine.situation import read_situation
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    FAILED,
    REAP,
    Make,
    claimed,
    counted,
    everything,
    finish,
    parts_of,
)


def page(engine: Engine, state: State, start: int = 0, stop: int = 100, **how: object) -> list[str]:
    found = engine.inspector.page(state, start, stop, **how)  # type: ignore[arg-type]
    return [job.id for job in found]


@pytest.mark.parametrize("state", list(State))
def test_each_state_is_counted_and_listed(engine: Engine, job_in: Make, state: State) -> None:
    """In its own place and nowhere else."""
    job_id = job_in(state)
    before = everything(engine)

    assert page(engine, state) == [job_id]
    assert {one: engine.inspector.count(one) for one in State} == {
        one: int(one is state) for one in State
    }
    (stats,) = engine.inspector.queue_stats()
    assert (stats.name, stats.paused) == ("default", False)
    assert stats.counts == {one: int(one is state) for one in State}
    assert everything(engine) == before


def test_empty_server_has_nothing_to_show(engine: Engine) -> None:
    """No queue was ever used."""
    inspector = engine.inspector
    assert (inspector.queues(), inspector.queue_stats(), inspector.workers()) == ([], [], [])
    assert (inspector.totals(), inspector.minute(0), inspector.jobs([])) == ({}, {}, [])
    assert page(engine, State.QUEUED) == []
    assert inspector.count(State.FAILED) == 0


def test_unused_queue_may_be_asked_for(engine: Engine) -> None:
    """Its counts are zero."""
    (stats,) = engine.inspector.queue_stats(["never"])
    assert set(stats.counts.values()) == {0}
    assert stats.oldest_at is None


def test_queues_are_sorted_default_first(engine: Engine, make_job: Make) -> None:
    """The others follow by name."""
    for queue in ("b", "default", "a"):
        make_job(queue=queue)
    engine.queues.pause("b")

    assert engine.inspector.queues() == ["default", "a", "b"]
    stats = {one.name: one for one in engine.inspector.queue_stats()}
    assert [one.paused for one in stats.values()] == [False, False, True]


def test_oldest_is_the_one_that_is_claimed_next(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """A queue's age is that of its head."""
    make_job()
    clock.move(60)
    urgent = make_job(priority=1)

    (stats,) = engine.inspector.queue_stats()

    assert stats.oldest_at == engine.inspector.job(urgent).enqueued_at


def test_pages_are_cut_by_rank(engine: Engine, make_job: Make) -> None:
    """Any depth, either direction; beyond the end there is nothing."""
    ids = [make_job() for _ in range(5)]

    assert page(engine, State.QUEUED, 0, 2, newest_first=False) == ids[:2]
    assert page(engine, State.QUEUED, 2, 4, newest_first=False) == ids[2:4]
    assert page(engine, State.QUEUED, 0, 2) == [ids[4], ids[3]]
    assert page(engine, State.QUEUED, 4, 99, newest_first=False) == ids[4:]
    assert page(engine, State.QUEUED, 5, 9) == []
    assert page(engine, State.QUEUED, 3, 3) == []
    assert page(engine, State.QUEUED, 3, 1) == []


def test_pages_over_several_queues_are_merged(engine: Engine, clock: Clock, make_job: Make) -> None:
    """By due time or time of finish, as if they were one."""
    ids = [make_job(queue="abc"[n % 3], due=timedelta(minutes=n)) for n in range(1, 8)]

    assert page(engine, State.SCHEDULED, newest_first=False) == ids
    assert page(engine, State.SCHEDULED, 2, 5, newest_first=False) == ids[2:5]
    assert page(engine, State.SCHEDULED, 0, 3) == ids[:3:-1]
    two = page(engine, State.SCHEDULED, queues=["a", "b"], newest_first=False)
    assert two == [job_id for n, job_id in enumerate(ids, 1) if n % 3 != 2]
    assert engine.inspector.count(State.SCHEDULED, ["a", "b"]) == len(two)


def test_merged_pages_end_at_a_depth(engine: Engine, make_job: Make) -> None:
    """A page that would need all of several queues is empty; of one queue it is exact."""
    make_job(queue="a")
    make_job(queue="b")
    assert page(engine, State.QUEUED, MERGE_DEPTH, MERGE_DEPTH + 10) == []


def test_final_jobs_are_listed_as_they_finished(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The newest first by default."""
    ids = []
    for queue in ("a", "b", "a"):
        ids.append(make_job(queue=queue))
        finish(engine, slot, claimed(engine, slot, queue))
        clock.move(1)

    assert page(engine, State.SUCCEEDED) == ids[::-1]


def test_names_are_read_by_rank_and_by_beginning(engine: Engine) -> None:
    """A page of any number of names."""
    for name in ("default", "mail", "mail-1", "mail-2", "zoo"):
        engine.queues.pause(name)
    inspector = engine.inspector
    assert inspector.queues(1, 3) == ["mail", "mail-1"]
    assert inspector.queues(prefix="mail") == ["mail", "mail-1", "mail-2"]
    assert inspector.queues(1, 2, prefix="mail") == ["mail-1"]
    assert inspector.queues(3, 3) == inspector.queues(9, 12) == inspector.queues(prefix="x") == []
    assert (inspector.count_queues(), inspector.count_queues("mail")) == (5, 3)
    assert inspector.known_queues(["zoo", "never", "mail"]) == ["zoo", "mail"]


def test_of_many_queues_those_with_work_are_looked_at(
    engine: Engine, make_job: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the first by name."""
    for name in ("a", "b", "c"):
        engine.queues.pause(name)
    make_job(queue="y")
    make_job(queue="x")
    assert engine.inspector.busy_queues() == ["a", "b", "c", "x", "y"]
    monkeypatch.setattr(queue_reader, "MOST_QUEUES", 3)
    assert engine.inspector.busy_queues() == ["a", "x", "y"]


def test_failures_are_listed_by_task(engine: Engine, job_in: Make) -> None:
    """Over all queues."""
    mine = [job_in(State.FAILED, queue=queue, task="a.b") for queue in ("x", "y")]
    job_in(State.FAILED, task="c.d")

    assert {job.id for job in engine.inspector.failed_of(["a.b"], 0, 10)} == set(mine)
    assert engine.inspector.count_failed_of(["a.b"]) == 2
    assert engine.inspector.count_failed_of(["never"]) == 0
    assert engine.inspector.failed_of(["never"], 0, 10) == []
    assert engine.inspector.count_failed_of(["a.b", "never", "c.d"]) == 3
    assert len(engine.inspector.failed_of(["a.b", "never", "c.d"], 1, 10)) == 2
    assert engine.inspector.failed_tasks() == ["c.d", "a.b"]
    assert engine.inspector.count_failed_tasks() == 2


def test_listed_jobs_carry_the_small_fields(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A long payload, result and runs are loaded for one job alone."""
    job_id = make_job(task="a.b", priority=7, data=99 * b"x")
    job = claimed(engine, slot)
    engine.jobs.progress(job_id, job.fence, 1, 4, "first  step")
    finish(engine, slot, job, FAILED)

    (listed,) = engine.inspector.jobs([job_id, new_id()])

    assert (listed.id, listed.state, listed.task, listed.priority) == (
        job_id,
        State.FAILED,
        "a.b",
        7,
    )
    assert listed.progress == (1, 4, "first  step")
    assert (listed.payload, listed.result, listed.runs) == (None, None, ())
    assert engine.inspector.job(job_id).runs[0].outcome == "failed"


def test_situation_of_a_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """How many jobs are claimed before it, and what its lease says."""
    ids = [make_job(), make_job(), make_job(priority=1)]
    seen = [read_situation(engine.client, job_id) for job_id in ids]

    assert [one.before for one in seen] == [1, 2, 0]
    claimed(engine, slot)
    now = read_situation(engine.client, ids[2])
    assert (now.before, now.job.state) == (None, State.RUNNING)
    assert 0 < (now.lease_ends or 0) - now.now <= 30_000
    with pytest.raises(JobNotFound):
        read_situation(engine.client, new_id())


def test_workers_show_what_they_run(engine: Engine, make_job: Make) -> None:
    """Slots in order, with the ids of their jobs."""
    ids = [make_job(), make_job()]
    for name in ("0.0", "0.1"):
        claimed(engine, Slot("worker-1", name))
    info: dict[str, str | int] = {
        "host": "h",
        "pid": 5,
        "queues": "",
        "processes": 1,
        "threads": 2,
        "version": "0",
        "started_at": 1000,
        "stopping": 0,
    }
    engine.leases.renew("worker-1", info)

    (worker,) = engine.inspector.workers()

    assert worker.running == ids
    assert (worker.slots, worker.queues, worker.started_at) == (2, (), 1000)
    assert not worker.stopping
    assert worker.seen_at > 1000


def test_minutes_count_events_by_queue(engine: Engine, slot: Slot, make_job: Make) -> None:
    """One field per event and queue, in the minute by the server's clock."""
    make_job(queue="a")
    make_job(queue="a")
    job_id = make_job(queue="b")
    finish(engine, slot, claimed(engine, slot, "a"))
    finish(engine, slot, claimed(engine, slot, "a"), FAILED)
    engine.jobs.cancel(job_id)
    first = engine.inspector.job(job_id).enqueued_at // 60_000
    found: dict[tuple[str, str], int] = {}
    for number in (first - 1, first, first + 1):  # a minute may end while this test runs
        for event, times in engine.inspector.minute(number).items():
            found[event] = found.get(event, 0) + times

    assert found == {
        ("enqueued", "a"): 2,
        ("enqueued", "b"): 1,
        ("succeeded", "a"): 1,
        ("failed", "a"): 1,
    }


def test_minutes_are_kept_an_hour_and_hours_a_day(
    engine: Engine, clock: Clock, make_job: Make
) -> None:
    """Each minute is added to its hour once, whoever reaps, and however often."""
    client, keys = engine.client.redis, engine.client.keys
    engine.queues.reap(**REAP)  # begins to add
    make_job(queue="a")
    (minute,) = client.scan_iter(match=keys("minute", "*"))
    assert 3_600 < client.ttl(minute) <= 3_900
    number = int(minute.decode().rpartition(":")[2])
    clock.move(60)
    make_job(queue="a")
    clock.move(60)
    for _ in range(3):
        engine.queues.reap(**REAP)

    hours = {(number + n) // 60 for n in (0, 1)}
    assert sum(engine.inspector.hour(hour)["enqueued", "a"] for hour in hours) == 2
    assert all(86_400 < client.ttl(keys("hour", str(hour))) <= 90_000 for hour in hours)


def test_counters_are_bounded(engine: Engine, make_job: Make) -> None:
    """Of ten thousand queues, those beyond the bound are counted together."""
    jobs = [new_job(new_id(), f"q{n}", "a.b", b"") for n in range(1200)]
    list(engine.jobs.enqueue_many(jobs))
    (key,) = engine.client.redis.scan_iter(match=engine.client.keys("minute", "*"))
    assert engine.client.redis.hlen(key) <= 1_001
    assert counted(engine, "enqueued", "*") >= 199
    assert counted(engine, "enqueued", "q1") == 1


def test_released_jobs_are_no_failures(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A deployment does not show in the counters of failed and succeeded."""
    make_job()
    finish(engine, slot, claimed(engine, slot), RunResult(Outcome.RELEASED))
    (key,) = engine.client.redis.scan_iter(match=engine.client.keys("minute", "*"))
    events = {name.decode().partition(":")[0] for name in engine.client.redis.hkeys(key)}
    assert events == {"enqueued"}


@pytest.mark.parametrize("damage", ["string", "state", "number", "progress"])
def test_one_damaged_record_hides_no_other(engine: Engine, make_job: Make, damage: str) -> None:
    """A page shows the sound jobs; the broken one is left out or shown as well as it goes."""
    broken, sound = make_job(), make_job()
    client, keys = engine.client.redis, engine.client.keys
    if damage == "string":
        client.set(keys("job", broken), "nonsense")
    elif damage == "state":
        client.hset(keys("job", broken), "state", "nonsense")
    elif damage == "number":
        client.hset(keys("job", broken), "enqueued_at", "nonsense")
    else:
        client.set(keys("progress", broken), "nonsense")

    try:
        assert sound in page(engine, State.QUEUED)
        (stats,) = engine.inspector.queue_stats()
        assert stats.counts[State.QUEUED] == 2
    finally:
        client.delete(*parts_of(keys, broken))
        client.zrem(keys("queued", "default"), broken)


@pytest.mark.parametrize(
    "name",
    [
        *("names", "work", "workers", "totals", "queued:default", "minute:1"),
        *("failed-of:t", "failed-tasks"),
    ],
)
def test_key_of_a_wrong_type_counts_as_empty(engine: Engine, make_job: Make, name: str) -> None:
    """Where somebody else has written; all else is shown."""
    make_job()
    redis = engine.client.redis
    key = engine.client.keys.prefix + name
    saved = redis.dump(key)
    redis.delete(key)
    redis.set(key, "not ours")

    inspector = engine.inspector
    assert inspector.queues() == ([] if name == "names" else ["default"])
    (stats,) = inspector.queue_stats(["default", "other"])[:1]
    queued = int(name != "queued:default")
    assert (stats.paused, stats.counts[State.QUEUED]) == (False, queued)
    assert inspector.queue_counts(["default"])["default"] == stats.counts
    assert inspector.count(State.QUEUED, ["default", "other"]) == queued
    assert len(inspector.page(State.QUEUED, 0, 9, queues=["default"])) == queued
    assert len(inspector.page(State.QUEUED, 0, 9, queues=["default", "other"])) == queued
    assert (inspector.workers(), inspector.totals(), inspector.minute(1)) == ([], {}, {})
    assert (inspector.failed_of(["t"], 0, 9), inspector.count_failed_of(["t"])) == ([], 0)
    assert (inspector.failed_tasks(), inspector.count_failed_tasks()) == ([], 0)
    redis.delete(key)
    if saved:
        redis.restore(key, 0, saved)


def test_server_that_is_away_is_told(settings) -> None:
    """A read fails with the same error as a write."""
    options = {"URL": "redis://127.0.0.1:1"}  # nothing listens there
    settings.TASKS = {"default": settings.TASKS["default"] | {"OPTIONS": options}}
    with pytest.raises(QueueUnavailable, match="Is the server running"):
        get_engine("default").inspector.queues()
