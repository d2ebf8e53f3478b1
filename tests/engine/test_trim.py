"""trim: final jobs go after their retention."""

from dataclasses import replace

import pytest

from django_jobqueue.conf import DEFAULT_RETENTION
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import FINAL, State
from tests.support.clock import Clock
from tests.support.places import (
    DONE,
    FAILED,
    HELD,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    everything,
    finish,
    full_memory,
    parts_of,
    places,
)

DAY = 86_400


def retain(engine: Engine, *, seconds: float = DAY, count: int = 10_000) -> None:
    """Set the retention of the engine's alias."""
    options = engine.client.options
    engine.client.options = replace(
        options,
        retention=dict.fromkeys(options.retention, seconds),
        retention_count=dict.fromkeys(FINAL, count),
    )


def jobs(engine: Engine) -> set[str]:
    return {name for name in everything(engine) if name.count("-") == 4}


@pytest.mark.parametrize("state", sorted(FINAL))
def test_final_job_goes_after_its_time(
    engine: Engine, clock: Clock, job_in: Make, state: State
) -> None:
    """One second earlier it stays; then nothing of it is left."""
    keep = DEFAULT_RETENTION[state]
    job_id = job_in(state)
    clock.move(keep - 1)
    assert engine.queues.trim().removed == 0
    assert job_id in places(engine)[state]["default"]
    clock.move(2)

    assert engine.queues.trim().removed == 1

    assert places(engine) == {}
    assert jobs(engine) == set()


def test_what_its_runs_told_goes_too(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Nothing is left that no record leads to."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.progress(job_id, job.fence, 1, 2, "half")
    engine.jobs.log(job_id, job.fence, "half")
    finish(engine, slot, job)
    clock.move(DEFAULT_RETENTION["succeeded"] + 1)

    assert engine.queues.trim().removed == 1

    assert [name for name in everything(engine) if name.endswith(job_id)] == []


@pytest.mark.parametrize("state", [state for state in State if state not in FINAL])
def test_what_is_not_final_never_goes(
    engine: Engine, clock: Clock, job_in: Make, state: State
) -> None:
    """A job waits and runs as long as it must."""
    job_in(state)
    before = places(engine)
    clock.move(400 * DAY)

    assert engine.queues.trim().removed == 0
    assert places(engine) == before


def test_oldest_go_when_there_are_too_many(engine: Engine, clock: Clock, job_in: Make) -> None:
    """The count cap keeps the newest."""
    retain(engine, count=2)
    ids = []
    for _ in range(5):
        ids.append(job_in(State.FAILED))
        clock.move(1)
    clock.move(60)

    assert engine.queues.trim().removed == 3
    assert places(engine)["failed"] == {"default": ids[3:]}
    assert list(places(engine)["failed-of"].values()) == [ids[3:]]


def test_value_that_its_row_lacks_stays(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Younger jobs don't go in its place, and it goes once the row has the value."""
    retain(engine, count=2)
    ids = []
    for durable in ({"round": 1}, {}, {"round": 1}, {}, {}):
        ids.append(make_job(**durable))
        finish(engine, slot, claimed(engine, slot))
        clock.move(1)
    clock.move(60)

    assert engine.queues.trim().removed == 1
    assert places(engine)["succeeded"]["default"] == [ids[0], *ids[2:]]
    assert engine.inspector.totals() == {"trimmed:succeeded:default": 1}

    engine.unsettled.drop(engine.unsettled.read(0, 10))
    assert engine.queues.trim().removed == 2
    assert places(engine)["succeeded"]["default"] == ids[3:]


def test_young_jobs_stay_whatever_their_number(engine: Engine, clock: Clock, job_in: Make) -> None:
    """For a minute everybody may read the result of a job."""
    retain(engine, count=1)
    old = [job_in(State.SUCCEEDED) for _ in range(3)]
    clock.move(61)
    young = [job_in(State.SUCCEEDED) for _ in range(3)]

    assert engine.queues.trim().removed == 3
    assert sorted(places(engine)["succeeded"]["default"]) == sorted(young)
    assert not set(old) & {name.partition(":")[2] for name in jobs(engine)}


def test_short_retention_wins_over_the_minute(engine: Engine, clock: Clock, job_in: Make) -> None:
    """Who asks for no retention gets none."""
    retain(engine, seconds=0)
    job_in(State.SUCCEEDED)
    clock.move(1)

    assert engine.queues.trim().removed == 1


def test_too_many_of_a_short_retention_go_as_one_by_one(
    engine: Engine, clock: Clock, job_in: Make
) -> None:
    """A count cap takes none away from what the retention lets go."""
    retain(engine, seconds=10, count=0)
    for _ in range(2):
        job_in(State.SUCCEEDED)
    clock.move(20)
    young = job_in(State.SUCCEEDED)

    assert engine.queues.trim().removed == 2
    assert places(engine) == {"succeeded": {"default": [young]}}


def test_what_goes_before_its_time_is_counted_and_told(
    engine: Engine, clock: Clock, job_in: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """By state and queue; the log tells it once an hour."""
    retain(engine, count=2)
    for _ in range(5):
        job_in(State.FAILED, queue="mail")
    clock.move(61)
    engine.queues.trim()
    job_in(State.FAILED, queue="mail")
    clock.move(61)
    engine.queues.trim()

    assert engine.inspector.totals() == {"trimmed:failed:mail": 4}
    (line,) = caplog.messages
    assert "3 failed jobs of the queue mail" in line
    assert "RETENTION_COUNT" in line


def test_what_goes_at_its_time_is_not_counted(engine: Engine, clock: Clock, job_in: Make) -> None:
    """Even if there were too many besides."""
    retain(engine, seconds=100, count=1)
    for _ in range(3):
        job_in(State.FAILED)
    clock.move(101)
    assert engine.queues.trim().removed == 3
    assert engine.inspector.totals() == {}


def test_failed_jobs_have_a_bound_of_their_own(engine: Engine, clock: Clock, job_in: Make) -> None:
    options = engine.client.options
    counts = {"succeeded": 1, "failed": 3, "cancelled": 0}
    engine.client.options = replace(options, retention_count=counts)
    for state in FINAL:
        for _ in range(4):
            job_in(state)
    clock.move(61)
    engine.queues.trim()
    left = {state: len(places(engine).get(state, {}).get("default", [])) for state in counts}
    assert left == counts


def test_limit_bounds_the_call(engine: Engine, clock: Clock, job_in: Make) -> None:
    """By age and by count the oldest go first, so many a call."""
    ids = []
    for _ in range(5):
        ids.append(job_in(State.CANCELLED))
        clock.move(1)
    clock.move(2 * DAY)
    assert engine.queues.trim(limit=2).removed == 2
    assert places(engine) == {"cancelled": {"default": ids[2:]}}

    retain(engine, seconds=9 * DAY, count=0)
    assert [engine.queues.trim(limit=2).removed for _ in range(3)] == [2, 1, 0]


def test_same_call_again_finds_nothing(engine: Engine, clock: Clock, job_in: Make) -> None:
    """A lost reply does no harm."""
    job_in(State.SUCCEEDED)
    clock.move(2 * DAY)
    engine.queues.trim()
    before = everything(engine)

    assert engine.queues.trim().removed == 0
    assert everything(engine) == before


def test_all_queues_are_trimmed_in_pages(engine: Engine, clock: Clock, job_in: Make) -> None:
    """A call that reaches its limit goes on with the same queue."""
    for queue in ("a", "a", "b"):
        job_in(State.SUCCEEDED, queue=queue)
    clock.move(2 * DAY)
    page = engine.queues.trim(limit=1)
    assert (page.next, page.removed) == ("a", 1)
    page = engine.queues.trim(page.next, limit=1)
    assert (page.next, page.removed) == ("a", 1)
    page = engine.queues.trim(page.next)
    assert (page.next, page.removed) == ("", 1)

    assert places(engine) == {}


def known(engine: Engine, queues: int) -> None:
    """Let so many queues have had a job."""
    names = engine.client.keys("names")
    engine.client.redis.zadd(names, {f"q{number:05}": 0 for number in range(queues)})


@pytest.mark.parametrize(("queues", "seconds"), [(801, 30), (10_000, 30), (20_000, 60)])
def test_all_workers_share_a_walk_through_many_queues(
    engine: Engine, clock: Clock, queues: int, seconds: int
) -> None:
    """Of more than 10,000 queues a walk takes longer; the other workers wait as long."""
    known(engine, queues)
    page = engine.queues.trim(interval_ms=30_000)
    assert page.next == "q00200"
    assert engine.queues.trim(interval_ms=30_000).next == "", "another worker"
    assert engine.queues.trim(page.next, interval_ms=30_000).next == "q00400", "the same one"
    clock.move(0.85 * seconds)
    known(engine, queues)
    assert engine.queues.trim(interval_ms=30_000).next == ""
    clock.move(0.15 * seconds)
    assert engine.queues.trim(interval_ms=30_000).next == "q00600"
    engine.client.redis.delete(engine.client.keys("names"))


def test_walk_begins_whatever_the_clock_did(engine: Engine, clock: Clock) -> None:
    known(engine, 801)
    engine.queues.trim(interval_ms=30_000)
    clock.move(-3600)
    assert engine.queues.trim(interval_ms=30_000).next == "q00400"
    engine.client.redis.delete(engine.client.keys("names"))


def test_walk_goes_on_where_the_last_one_ended(engine: Engine, clock: Clock) -> None:
    """Else workers that live for shorter than a walk would trim the first queues alone."""
    known(engine, 1001)
    begun = []
    for _ in range(6):
        begun.append(engine.queues.trim(interval_ms=30_000).next)
        clock.move(31)
        known(engine, 1001)
    assert begun == ["q00200", "q00400", "q00600", "q00800", "q01000", ""]
    engine.client.redis.delete(engine.client.keys("names"))


@pytest.mark.parametrize("kind", ["queued", "scheduled", "leases", "failed"])
def test_damaged_key_of_a_queue_stops_nothing_in_the_others(
    engine: Engine, clock: Clock, job_in: Make, kind: str
) -> None:
    """Neither trim nor reap; the key itself is left to people."""
    job_in(State.SUCCEEDED, queue="z")
    lost = job_in(State.RUNNING, queue="z")
    clock.move(2 * DAY)
    names, broken = engine.client.keys("names"), engine.client.keys(kind, "a")
    engine.client.redis.zadd(names, {"a": 0})
    engine.client.redis.set(broken, "nonsense")
    try:
        for _ in range(2):  # after such a gap the first one waits
            engine.queues.reap("", interval_ms=5_000, grace_ms=0)
        assert engine.inspector.job(lost).state is State.QUEUED
        assert engine.queues.trim().removed == 1
    finally:
        engine.client.redis.delete(broken)


def test_queue_without_jobs_is_forgotten(engine: Engine, clock: Clock, job_in: Make) -> None:
    """Its name and its wake list go; a paused one stays, and so does one that holds a job."""
    job_in(State.SUCCEEDED, queue="once")
    job_in(State.SUCCEEDED, queue="paused")
    job_in(State.SCHEDULED, queue="later")
    engine.queues.pause("paused")
    engine.queues.trim()
    assert engine.queues.names() == ["default", "later", "once", "paused"]
    clock.move(2 * DAY)
    engine.queues.trim()

    assert engine.queues.names() == ["default", "later", "paused"]
    assert "wake:once" not in everything(engine)
    engine.queues.resume("paused")
    engine.queues.trim()
    assert engine.queues.names() == ["default", "later"]


def test_stray_id_does_not_delete_a_living_job(engine: Engine, make_job: Make) -> None:
    """An id that an index holds by mistake leaves it; the job itself stays."""
    lives = make_job()
    engine.client.redis.zadd(engine.client.keys("succeeded", "default"), {lives: 1})

    engine.queues.trim()

    assert places(engine) == {"queued": {"default": [lives]}}
    assert engine.inspector.job(lives).state is State.QUEUED


def test_damaged_records_go_too(engine: Engine, job_in: Make) -> None:
    """A record that is gone, or is no hash, does not stop the others."""
    broken, gone, fine = (job_in(State.FAILED) for _ in range(3))
    client, keys = engine.client.redis, engine.client.keys
    client.set(keys("job", broken), "nonsense")
    client.delete(keys("job", gone))
    retain(engine, seconds=0)

    try:
        engine.queues.trim()
        assert "failed" not in places(engine)
        assert fine not in str(everything(engine))
    finally:  # nothing leads from a lost record to the index of its task
        client.delete(keys("failed", "default"), keys("failed-of", "tests.project.tasks.noop"))
        client.delete(keys("failed-tasks"))
        for job_id in (broken, gone, fine):
            client.delete(*parts_of(keys, job_id))


def test_trim_works_at_maxmemory(engine: Engine, clock: Clock, job_in: Make) -> None:
    """What frees memory is never refused."""
    job_in(State.SUCCEEDED)
    clock.move(2 * DAY)
    with full_memory(engine):
        assert engine.queues.trim().removed == 1


# ── Tasks that keep their jobs for less ──────────────────────────────────────────────────────

HOUR = 3_600
BRIEFLY = DONE._replace(keep_ms=HOUR * 1000, value=b"1")


def noted(engine: Engine) -> list[str]:
    """Return the jobs that are kept for less, in the order of their removal."""
    key = engine.client.keys("short-lived")
    return [job_id.decode() for job_id in engine.client.redis.zrange(key, 0, -1)]


def test_job_goes_when_its_task_keeps_it_no_longer(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Not a second sooner, and with all that belongs to it; others stay until the retention."""
    brief, other = make_job(tags=("t",)), make_job()
    assert finish(engine, slot, claimed(engine, slot), BRIEFLY) == "ok"
    finish(engine, slot, claimed(engine, slot))
    clock.move(HOUR - 1)
    assert engine.queues.trim().removed == 0
    clock.move(2)

    assert engine.queues.trim().removed == 1

    assert places(engine) == {"succeeded": {"default": [other]}}
    assert [name for name in everything(engine) if brief in name or "short" in name] == []


def test_job_that_needs_a_record_goes_too(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A later run, or one that tells a reason, is stored by another way."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), RETRIED._replace(delay_ms=0))
    clock.move(1)
    finish(engine, slot, claimed(engine, slot), BRIEFLY)
    clock.move(HOUR + 1)

    assert engine.queues.trim().removed == 1
    assert jobs(engine) == set(), job_id


@pytest.mark.parametrize("outcome", [FAILED, RETRIED, RELEASED, HELD])
def test_what_did_not_succeed_is_kept_as_ever(
    engine: Engine, slot: Slot, make_job: Make, outcome: RunResult
) -> None:
    """It is looked into."""
    make_job()
    finish(engine, slot, claimed(engine, slot), outcome._replace(keep_ms=1))
    assert "short-lived" not in everything(engine)


def test_later_run_decides(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    """A job that was requeued is kept as its last run says."""
    again, fails, runs = make_job(), make_job(), make_job()
    for _ in range(3):
        finish(engine, slot, claimed(engine, slot), BRIEFLY)
    clock.move(HOUR / 2)
    for job_id in (again, fails, runs):
        engine.jobs.requeue(job_id)
    finish(engine, slot, claimed(engine, slot), BRIEFLY)
    finish(engine, slot, claimed(engine, slot), FAILED)
    claimed(engine, slot)
    assert noted(engine) == [again], "of the others nothing is known yet"
    clock.move(HOUR / 2 + 1)

    assert engine.queues.trim().removed == 0
    assert places(engine) == {
        "succeeded": {"default": [again]},
        "failed": {"default": [fails]},
        "failed-of": {"tests.project.tasks.noop": [fails]},
        "leases": {"default": [runs]},
    }
    clock.move(HOUR / 2)
    assert engine.queues.trim().removed == 1
    assert noted(engine) == []


def test_later_run_without_a_word_is_kept_as_ever(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The task has lost its retention, or the run is that of another client."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), BRIEFLY)
    engine.jobs.requeue(job_id)
    finish(engine, slot, claimed(engine, slot))
    clock.move(HOUR + 1)
    assert engine.queues.trim().removed == 0
    assert places(engine) == {"succeeded": {"default": [job_id]}}


@pytest.mark.parametrize("keep_ms", [1, 59_999, -5])
def test_result_can_be_read_for_a_minute(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make, keep_ms: int
) -> None:
    """And a finish that comes again finds its run."""
    make_job()
    run = claimed(engine, slot)
    finish(engine, slot, run, BRIEFLY._replace(keep_ms=keep_ms))
    clock.move(59)
    assert engine.queues.trim().removed == 0
    assert finish(engine, slot, run, BRIEFLY) == "repeated"
    clock.move(2)
    assert engine.queues.trim().removed == 1


def test_deleted_job_is_forgotten(engine: Engine, clock: Clock, slot: Slot, make_job: Make) -> None:
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), BRIEFLY)
    engine.jobs.delete(job_id)
    clock.move(HOUR + 1)

    engine.queues.trim()
    assert "short-lived" not in everything(engine)


def test_value_that_is_in_no_row_yet_is_kept(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A durable job waits for the ledger, and others don't wait for it."""
    durable, plain = make_job(round=1), make_job()
    for _ in range(2):
        finish(engine, slot, claimed(engine, slot), BRIEFLY)
    clock.move(HOUR + 1)

    pages = [engine.queues.trim(limit=1) for _ in range(2)]
    assert [page.next for page in pages] == ["default", "default"]
    assert places(engine) == {"succeeded": {"default": [durable]}}, plain
    engine.unsettled.drop(engine.unsettled.read(0, 10))
    clock.move(61)
    assert engine.queues.trim().removed == 1


def test_brief_jobs_go_in_portions(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """The caller comes again as long as there may be more."""
    for _ in range(5):
        make_job()
        finish(engine, slot, claimed(engine, slot), BRIEFLY)
    clock.move(HOUR + 1)

    pages = [engine.queues.trim("", 2) for _ in range(3)]

    assert [page.removed for page in pages] == [2, 2, 1]
    assert [page.next for page in pages] == ["default", "default", ""]


def test_notes_of_jobs_that_are_gone_hold_nothing_up(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """They take their share of a call, and it says that there is more."""
    gone = [make_job() for _ in range(4)]
    for _ in gone:
        finish(engine, slot, claimed(engine, slot), BRIEFLY)
    for job_id in gone:
        engine.jobs.delete(job_id)
    clock.move(1)
    make_job()
    finish(engine, slot, claimed(engine, slot), BRIEFLY)
    clock.move(HOUR + 1)

    pages = [engine.queues.trim("", 2) for _ in range(3)]

    assert [(page.next, page.removed) for page in pages] == [
        ("default", 2),
        ("default", 2),
        ("", 1),
    ]
    assert jobs(engine) == set()


def test_run_ends_at_maxmemory_however_long_it_is_kept(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Its note is written too."""
    job_id = make_job()
    run = claimed(engine, slot)
    with full_memory(engine):
        assert finish(engine, slot, run, BRIEFLY) == "ok"
    assert noted(engine) == [job_id]


def test_note_that_is_no_set_is_replaced(engine: Engine, slot: Slot, make_job: Make) -> None:
    engine.client.redis.set(engine.client.keys("short-lived"), "nonsense")
    job_id = make_job()
    assert engine.queues.trim().removed == 0
    assert finish(engine, slot, claimed(engine, slot), BRIEFLY) == "ok"
    assert noted(engine) == [job_id]
