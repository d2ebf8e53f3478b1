"""finish: a run is settled, and the slot gets its next job in the same call."""

from datetime import timedelta

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from tests.support.clock import Clock
from tests.support.flows import FAN, started, states
from tests.support.places import (
    DONE,
    FAILED,
    HELD,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    counted,
    drop_tokens,
    everything,
    finish,
    full_memory,
    nothing,
    places,
    record,
    score,
    tokens,
)


def test_success_keeps_the_result(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The id moves to the succeeded ones; the JSON comes back byte for byte."""
    job_id = make_job()
    data = b'{"list":[],"big":12345678901234567}'

    assert finish(engine, slot, claimed(engine, slot), DONE._replace(value=data)) == "ok"

    assert places(engine) == {"succeeded": {"default": [job_id]}}
    job = engine.inspector.job(job_id)
    assert (job.state, job.attempts, job.result) == (State.SUCCEEDED, 1, data)
    assert job.finished_at == score(engine, "succeeded", job_id)
    assert counted(engine, "succeeded") == 1


@pytest.mark.parametrize("priority", [-100, 0, 100])
def test_release_keeps_the_place(engine: Engine, slot: Slot, make_job: Make, priority: int) -> None:
    """Also the very first and the very last that there can be."""
    job_id = make_job(priority=priority)
    place = score(engine, "queued", job_id)
    make_job(priority=priority)
    finish(engine, slot, claimed(engine, slot), RELEASED)
    assert score(engine, "queued", job_id) == place


@pytest.mark.parametrize("place", ["", "x", "-5", "0", "2010000000000000", "1e300", "nan"])
def test_release_to_what_can_be_no_place_is_to_a_new_one(
    engine: Engine, slot: Slot, make_job: Make, place: str
) -> None:
    """Behind the others, as if it was new; no script wrote it."""
    job_id, other = make_job(priority=-100), make_job(priority=-100)
    job = claimed(engine, slot)
    engine.client.redis.hset(engine.client.keys("job", job_id), "score", place)
    finish(engine, slot, job, RELEASED)
    assert score(engine, "queued", job_id) == 200 * 10**13 + 3
    assert score(engine, "queued", other) == 200 * 10**13 + 2


def test_first_success_leaves_a_small_record(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Most kept jobs are such: the end is told by how long it took, and the old place is gone."""
    job_id = make_job()
    job = claimed(engine, slot)
    clock.move(12)
    finish(engine, slot, job)

    fields = record(engine, job_id)
    took = int(fields.pop("took"))
    assert took >= 12_000
    assert job.attempted_at + took == score(engine, "succeeded", job_id)
    assert fields.keys() == {
        "queue",
        "state",
        "task",
        "enqueued_at",
        "payload",
        "worker",
        "fence",
        "attempted_at",
    }


def test_clock_that_goes_back_makes_no_run_end_before_its_start(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """An administrator sets it: then the run took no time."""
    job_id = make_job()
    job = claimed(engine, slot)
    clock.move(-3600)
    finish(engine, slot, job)
    assert engine.inspector.job(job_id).finished_at == job.attempted_at


def test_empty_result_is_not_stored(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Most tasks return None: no key for that."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot))
    assert engine.inspector.job(job_id).result is None


def test_failure_is_listed_by_task(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Reason, exception and traceback are kept; the task's index leads to the job."""
    job_id = make_job(task="a.b")
    settled = FAILED._replace(traceback="Traceback:\n  line é\n\nValueError")

    finish(engine, slot, claimed(engine, slot), settled)

    assert places(engine) == {"failed": {"default": [job_id]}, "failed-of": {"a.b": [job_id]}}
    job = engine.inspector.job(job_id)
    assert (job.reason, job.attempts) == ("exception", 1)
    (run,) = job.runs
    assert (run.outcome, run.exception, run.attempt) == ("failed", "builtins.ValueError", 1)
    assert run.traceback == "Traceback:\n  line é\n\nValueError"
    assert run.worker == "worker-1"
    assert counted(engine, "failed") == 1


def test_task_may_cancel_its_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A run that ends as cancelled counts as an attempt."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), RunResult(Outcome.CANCELLED, reason="asked"))

    assert places(engine) == {"cancelled": {"default": [job_id]}}
    assert record(engine, job_id)["attempts"] == "1"


def test_retry_is_scheduled_after_its_delay(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The attempt counts; the due time is the server's now and the delay."""
    job_id = make_job()
    _, now, _ = engine.claims.finish(slot, claimed(engine, slot), RETRIED, [])

    assert places(engine) == {"scheduled": {"default": [job_id]}}
    assert score(engine, "scheduled", job_id) == now + 60_000
    assert record(engine, job_id)["attempts"] == "1"
    assert counted(engine, "retried") == 1


def test_retry_that_is_due_first_wakes_a_slot(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Slots that sleep until a later job learn of the earlier one."""
    make_job(due=timedelta(hours=1))
    make_job()
    job = claimed(engine, slot)
    drop_tokens(engine)

    finish(engine, slot, job, RETRIED)

    assert tokens(engine) == 1


def test_release_keeps_place_and_attempt(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A worker that stops gives its job back as if it had never had it."""
    first, second = make_job(), make_job()
    place = score(engine, "queued", first)
    job = claimed(engine, slot)
    drop_tokens(engine)

    assert finish(engine, slot, job, RELEASED) == "ok"

    assert places(engine) == {"queued": {"default": [first, second]}}
    assert score(engine, "queued", first) == place
    assert record(engine, first)["attempts"] == "0"
    assert tokens(engine) == 1
    assert [run.counts for run in engine.inspector.job(first).runs] == [False]


@pytest.mark.parametrize("delay", [1, 30_000])
def test_release_with_a_delay_keeps_the_attempt(
    engine: Engine, slot: Slot, make_job: Make, delay: int
) -> None:
    """A job whose task is unknown here comes back later, and says since when."""
    job_id = make_job()
    settled = HELD._replace(delay_ms=delay)
    _, now, _ = engine.claims.finish(slot, claimed(engine, slot), settled, [])

    assert places(engine) == {"scheduled": {"default": [job_id]}}
    assert score(engine, "scheduled", job_id) == now + delay
    assert record(engine, job_id)["attempts"] == "0"
    assert engine.inspector.job(job_id).reason == "unknown_task"


def test_held_since_is_the_first_release(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Giving a job back again and again does not start its grace anew."""
    make_job()
    _, first, _ = engine.claims.finish(slot, claimed(engine, slot), HELD, [])
    clock.move(31)
    job = claimed(engine, slot)
    assert job.held_since == first
    finish(engine, slot, job, HELD)
    clock.move(31)

    assert claimed(engine, slot).held_since == first


def test_held_since_ends_with_a_real_run(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A job that ran and is given back later has a new grace."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), HELD)
    clock.move(31)
    finish(engine, slot, claimed(engine, slot), RETRIED)
    assert engine.inspector.job(job_id).reason == ""
    clock.move(61)
    job = claimed(engine, slot)
    assert job.held_since is None

    _, again, _ = engine.claims.finish(slot, job, HELD, [])
    clock.move(31)
    assert claimed(engine, slot).held_since == again


def test_success_forgets_the_reason_of_an_earlier_run(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A job that went well in the end shows no reason."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), HELD)
    clock.move(31)
    finish(engine, slot, claimed(engine, slot))

    assert engine.inspector.job(job_id).reason == ""


def test_next_job_comes_with_the_verdict(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The steady state is one call per job."""
    first, second = make_job(), make_job(queue="b")
    job = claimed(engine, slot)

    reply, now, found = engine.claims.finish(slot, job, DONE, ["default", "b"])

    assert isinstance(found, Job)
    assert (reply, found.id, found.attempted_at) == ("ok", second, now)
    assert places(engine) == {"succeeded": {"default": [first]}, "leases": {"b": [second]}}


def test_released_job_may_come_back_at_once(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It is the first in its queue, under a new fence."""
    job_id = make_job()
    job = claimed(engine, slot)

    _, _, again = engine.claims.finish(slot, job, RELEASED, ["default"])

    assert isinstance(again, Job)
    assert again.id == job_id
    assert again.fence != job.fence


def test_due_jobs_that_a_finish_promotes_wake_slots(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """What a finish makes claimable and leaves behind does not wait for a slot's next look."""
    make_job()
    job = claimed(engine, slot)
    for _ in range(3):
        make_job(due=timedelta(seconds=1))
    clock.move(2)
    drop_tokens(engine)

    engine.claims.finish(slot, job, DONE, ["default"])

    assert len(places(engine)["queued"]["default"]) == 2
    assert tokens(engine) >= 1


def test_late_finish_leaves_its_slot_alone(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its first arrival was answered and the slot went on: it keeps the job that it runs."""
    make_job()
    following, _ = make_job(), make_job()
    job, nonce = claimed(engine, slot), slot.nonce
    _, _, second = engine.claims.finish(slot, job, DONE, ["default"])
    assert isinstance(second, Job)
    third = make_job(priority=1)
    _, _, running = engine.claims.finish(slot, second, DONE, ["default"])
    assert isinstance(running, Job)
    assert (second.id, running.id) == (following, third)
    before = everything(engine)
    slot.nonce = nonce

    reply, _, found = engine.claims.finish(slot, job, DONE, ["default"])
    assert (reply, found) == ("repeated", NoJob(more=True))
    assert nothing(engine, slot) == NoJob()
    assert everything(engine) == before


def test_stale_finish_gives_back_what_nobody_runs(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A late claim came while the slot held no lease: its job runs now, not a lease later."""
    late, (first, second) = Slot(slot.worker, slot.name), (make_job(), make_job())
    slot.draw_nonce()
    old = claimed(engine, slot)
    clock.move(31)
    engine.queues.reap(**REAP)
    assert claimed(engine, Slot("worker-2", "0.0")).id == first
    assert claimed(engine, late).id == second

    reply, _, none = engine.claims.finish(slot, old, DONE, ["default"])
    found = claimed(engine, slot)

    assert (reply, none, found.id, found.recoveries) == ("stale", NoJob(more=True), second, 1)
    assert {*places(engine)["leases"]["default"]} == {first, second}


def test_stopping_slot_claims_nothing(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Without queues there is no claim, and the slot holds nothing."""
    make_job()
    job = claimed(engine, slot)
    waits = make_job()

    assert engine.claims.finish(slot, job, DONE, [])[2] == NoJob()
    assert places(engine)["queued"] == {"default": [waits]}
    assert not engine.client.redis.exists(engine.client.keys("slots", slot.worker))


def test_last_finish_that_comes_late_leaves_its_slot_alone(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A process that stops names no queues; its successor keeps the job that it runs."""
    make_job()
    job = claimed(engine, slot)
    following, nonce = make_job(), slot.nonce
    finish(engine, slot, job)
    successor = claimed(engine, Slot(slot.worker, slot.name))
    before = everything(engine)
    slot.nonce = nonce

    assert finish(engine, slot, job) == "repeated"

    assert everything(engine) == before
    assert successor.id == following


@pytest.mark.parametrize("settled", [DONE, FAILED, RELEASED, RETRIED], ids=lambda s: s.outcome)
def test_lost_reply_is_settled_once(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult
) -> None:
    """The same call again says so, changes nothing and gives the same next job."""
    make_job()
    job, nonce = claimed(engine, slot), slot.nonce
    make_job()
    _, _, following = engine.claims.finish(slot, job, settled, ["default"])
    before = everything(engine)
    slot.nonce = nonce

    reply, _, none = engine.claims.finish(slot, job, settled, ["default"])
    again = claimed(engine, slot)

    assert isinstance(following, Job)
    assert (reply, none) == ("repeated", NoJob(more=True))
    assert (again.id, again.fence) == (following.id, following.fence)
    assert everything(engine) == before


def test_replay_with_another_outcome_changes_nothing(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A run is settled by its first outcome."""
    make_job()
    job = claimed(engine, slot)
    finish(engine, slot, job)
    before = everything(engine)

    assert finish(engine, slot, job, FAILED) == "repeated"
    assert everything(engine) == before


def test_old_fence_is_stale(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A run that lost its lease can't touch its successor; the attempt is counted."""
    job_id = make_job()
    old = claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed")
    new = claimed(engine, Slot("worker-2", "0.0"))
    before = record(engine, job_id)

    assert finish(engine, slot, old, DONE._replace(value=b"1")) == "stale"

    assert record(engine, job_id) == before
    assert engine.inspector.job(job_id).result is None
    assert engine.inspector.totals() == {"recovered": 1, "stale": 1}
    assert finish(engine, Slot("worker-2", "0.0"), new) == "ok"


def test_reaped_run_is_stale_before_the_next_claim(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """A queued job takes no result from a run it no longer has."""
    job_id = make_job()
    old = claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed")

    assert finish(engine, slot, old) == "stale"
    assert places(engine) == {"queued": {"default": [job_id]}}


def test_deleted_job_is_stale(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A finish does not raise a job from the dead."""
    job_id = make_job()
    job = claimed(engine, slot)
    finish(engine, slot, job)
    engine.jobs.delete(job_id)

    assert finish(engine, slot, job) == "stale"
    assert record(engine, job_id) == {}


def test_stale_run_still_gets_its_next_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The slot works on after it lost a lease."""
    make_job()
    old = claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed")

    reply, _, none = engine.claims.finish(slot, old, DONE, ["default"])

    assert (reply, none) == ("stale", NoJob(more=True))
    assert claimed(engine, slot).id == old.id


def test_twenty_runs_are_remembered(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The records are capped, the oldest go first; the numbers go on."""
    job_id = make_job()
    for _ in range(23):
        finish(engine, slot, claimed(engine, slot), RELEASED)

    runs = engine.inspector.job(job_id).runs
    assert [run.fence.partition("-")[0] for run in runs] == [str(n) for n in range(4, 24)]


def test_run_record_tells_its_times(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Start and end are the server's."""
    job_id = make_job()
    job = claimed(engine, slot)
    clock.move(12)
    _, now, _ = engine.claims.finish(slot, job, DONE, [])

    (run,) = engine.inspector.job(job_id).runs
    assert (run.started_at, run.finished_at) == (job.attempted_at, now)
    assert now - job.attempted_at >= 12_000


@pytest.mark.parametrize("settled", [DONE, FAILED, RELEASED, RETRIED], ids=lambda s: s.outcome)
def test_finish_works_at_maxmemory(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult
) -> None:
    """A running job can end, with its result, and the next one starts."""
    job_id, following = make_job(), make_job()
    job = claimed(engine, slot)

    with full_memory(engine):
        reply, _, found = engine.claims.finish(
            slot, job, settled._replace(value=b'"result"'), ["default"]
        )

    assert isinstance(found, Job)
    assert (reply, found.id) == ("ok", job_id if settled is RELEASED else following)


def test_full_server_keeps_the_records_of_runs(engine: Engine, slot: Slot, make_job: Make) -> None:
    """What is known of earlier runs is no price for the end of this one."""
    job_id = make_job()
    finish(engine, slot, claimed(engine, slot), RELEASED)
    job = claimed(engine, slot)

    with full_memory(engine):
        finish(engine, slot, job)

    outcomes = [run.outcome for run in engine.inspector.job(job_id).runs]
    assert outcomes == ["released", "succeeded"]


def test_stale_finish_works_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A slot that lost its lease hears so, and does not call for ever."""
    make_job()
    old = claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed")

    with full_memory(engine):
        assert finish(engine, slot, old) == "stale"


def test_flushed_scripts_are_loaded_again(engine: Engine, slot: Slot, make_job: Make) -> None:
    """SCRIPT FLUSH while a job runs is invisible."""
    make_job()
    job = claimed(engine, slot)
    engine.client.redis.script_flush()
    assert finish(engine, slot, job) == "ok"


KEPT = DONE._replace(value=b'{"n":1}', cache="d 0")


def latest(engine: Engine) -> tuple[bytes | None, int]:
    """Return the latest value under the digest "d", and when its run ended."""
    kept = engine.cached_results.latest("d")
    return kept.value, kept.at


@pytest.mark.parametrize(
    ("field", "settled"), [("attempted_at", KEPT), ("score", RELEASED), ("priority", RELEASED)]
)
def test_damaged_field_keeps_no_run_from_ending(
    engine: Engine, slot: Slot, make_job: Make, field: str, settled: RunResult
) -> None:
    """What is no number counts as missing."""
    job_id = make_job()
    job = claimed(engine, slot)
    record_key = engine.client.keys("job", job_id)
    engine.client.redis.hset(record_key, field, "nonsense")
    if field == "priority":
        engine.client.redis.hdel(record_key, "score")

    assert finish(engine, slot, job, settled) == "ok"
    state = "succeeded" if settled is KEPT else "queued"
    assert places(engine) == {state: {"default": [job_id]}}


def test_run_of_unknown_times_ends(engine: Engine, slot: Slot, make_job: Make) -> None:
    """When it began is lost: its record has a zero."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.client.redis.hdel(engine.client.keys("job", job_id), "attempted_at")

    assert finish(engine, slot, job, FAILED) == "ok"
    (line,) = everything(engine)[f"attempts:{job_id}"]
    assert line.split()[3] == b"0"


def test_cancelled_run_leaves_its_slot_empty(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A slot that stops names no job any more, however the last one ended."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id)

    assert finish(engine, slot, job, RELEASED) == "cancelled"
    assert f"slots:{slot.worker}" not in everything(engine)


def test_a_released_run_of_a_cancelled_job_uses_no_attempt(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """Its record says so, too: attempts are the runs that count."""
    job_id = make_job(max_attempts=2)
    finish(engine, slot, claimed(engine, slot), RETRIED)
    clock.move(60)
    run = claimed(engine, slot)
    engine.jobs.cancel(job_id)

    assert finish(engine, slot, run, RELEASED) == "cancelled"
    job = engine.inspector.job(job_id)
    assert (job.state, job.attempts) == (State.CANCELLED, 1)
    assert [one.outcome for one in job.runs] == ["retried", "released"]


def test_success_may_be_the_latest_value(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It is kept beside the job's own result, and beyond it."""
    job_id = make_job()
    run = claimed(engine, slot)
    _, now, _ = engine.claims.finish(slot, run, KEPT, [])

    fields = engine.client.redis.hgetall(engine.client.keys("cached", "d"))
    times = {b"at": str(now).encode(), b"begun": str(run.attempted_at).encode()}
    assert fields == {b"value": b'{"n":1}', b"refresh": b"", **times}
    assert engine.inspector.job(job_id).result == b'{"n":1}'
    engine.jobs.delete(job_id)
    assert latest(engine) == (b'{"n":1}', now)
    assert engine.client.redis.ttl(engine.client.keys("cached", "d")) == -1


def test_null_is_a_value_too(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A task that returns None has been calculated all the same."""
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT._replace(value=b""))
    assert latest(engine)[0] == b"null"


def test_nothing_is_kept_unasked(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The steady state has no such key."""
    make_job()
    finish(engine, slot, claimed(engine, slot), DONE._replace(value=b"1"))
    assert not [key for key in everything(engine) if key.startswith("cached")]


@pytest.mark.parametrize("settled", [FAILED, RELEASED, RETRIED], ids=lambda s: s.outcome)
def test_other_outcomes_leave_the_latest_value(
    engine: Engine, slot: Slot, make_job: Make, settled: RunResult
) -> None:
    """What did not come to a value is none."""
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT)
    before = engine.cached_results.latest("d")[1:]
    make_job()
    finish(engine, slot, claimed(engine, slot), settled._replace(cache="d 0", value=b"2"))
    assert engine.cached_results.latest("d")[1:] == before


def test_run_that_began_later_wins(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A slow run with old data does not overwrite what a quick one has found since."""
    make_job(), make_job()
    slow = claimed(engine, slot)
    clock.move(10)
    other = Slot("worker-2", "0.0")
    quick = claimed(engine, other)
    _, at, _ = engine.claims.finish(other, quick, KEPT._replace(value=b'"new"'), [])
    clock.move(10)

    assert finish(engine, slot, slow, KEPT._replace(value=b'"old"')) == "ok"

    assert latest(engine) == (b'"new"', at)
    assert engine.inspector.job(slow.id).result == b'"old"'


def test_runs_of_one_instant_take_turns(engine: Engine, make_job: Make) -> None:
    """Of two that began in the same millisecond, the one that ends last is kept."""
    key = engine.client.keys("cached", "d")
    make_job()
    slot = Slot("worker-1", "0.0")
    run = claimed(engine, slot)
    engine.client.redis.hset(
        key, mapping={"value": "0", "at": run.attempted_at, "begun": run.attempted_at}
    )
    finish(engine, slot, run, KEPT)
    assert latest(engine)[0] == b'{"n":1}'


def test_value_from_times_to_come_gives_way(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The clock was set back, or another server took over: values do not stand still till then."""
    key = engine.client.keys("cached", "d")
    to_come = 4_000_000_000_000
    engine.client.redis.hset(key, mapping={"value": "0", "at": to_come, "begun": to_come})
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT)
    assert latest(engine)[0] == b'{"n":1}'


def test_value_is_kept_for_a_time(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It expires by the server's own means; a later value without a time takes that back."""
    client, key = engine.client.redis, engine.client.keys("cached", "d")
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT._replace(cache="d 600"))
    assert 590 < client.ttl(key) <= 600
    make_job()
    finish(engine, slot, claimed(engine, slot), KEPT)
    assert client.ttl(key) == -1


def test_value_leaves_the_note_of_a_refresh(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Another run than the refresh may bring it, and there is still one refresh."""
    make_job()
    run = claimed(engine, slot)
    engine.client.redis.hset(engine.client.keys("cached", "d"), "refresh", "somebody")
    finish(engine, slot, run, KEPT)
    assert engine.cached_results.latest("d").refresh == "somebody"


def test_repeated_finish_leaves_the_latest_value(
    engine: Engine, clock: Clock, slot: Slot, make_job: Make
) -> None:
    """A lost reply does not make the value younger."""
    make_job()
    run = claimed(engine, slot)
    finish(engine, slot, run, KEPT)
    before = everything(engine)
    clock.move(60)

    assert finish(engine, slot, run, KEPT._replace(value=b"2")) == "repeated"
    assert everything(engine) == before


def test_run_without_its_lease_leaves_the_latest_value(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Its successor will bring one."""
    make_job()
    run = claimed(engine, slot)
    engine.leases.release_slot(slot, lost=True, reason="killed")
    assert finish(engine, slot, run, KEPT) == "stale"
    assert latest(engine) == (None, 0)


def test_key_of_another_type_does_not_stop_a_finish(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Something else wrote where the latest value belongs: it gives way."""
    engine.client.redis.set(engine.client.keys("cached", "d"), "nonsense")
    job_id = make_job()
    assert finish(engine, slot, claimed(engine, slot), KEPT) == "ok"
    assert places(engine) == {"succeeded": {"default": [job_id]}}
    assert latest(engine)[0] == b'{"n":1}'


@pytest.mark.parametrize("name", ["nonsense", " 5", "d", "d x", "d -1"])
def test_name_that_is_none_does_not_stop_a_finish(
    engine: Engine, slot: Slot, make_job: Make, name: str
) -> None:
    """Another client's mistake costs its value, not its job."""
    job_id = make_job()
    assert finish(engine, slot, claimed(engine, slot), KEPT._replace(cache=name)) == "ok"
    assert places(engine) == {"succeeded": {"default": [job_id]}}


def test_latest_value_is_kept_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """As is the result of the run."""
    make_job()
    run = claimed(engine, slot)
    with full_memory(engine):
        assert finish(engine, slot, run, KEPT) == "ok"
    assert latest(engine)[0] == b'{"n":1}'


def test_full_server_answers_a_member_that_finishes_again(engine: Engine, slot: Slot) -> None:
    """What is noted of workflows is followed then, too."""
    _, jobs = started(engine, FAN)
    run = claimed(engine, slot)
    assert finish(engine, slot, run) == "ok"
    engine.jobs.requeue(run.id)
    assert run.id in {claimed(engine, Slot("worker-2", name)).id for name in ("0", "1", "2")}
    engine.jobs.cancel(jobs[3].id)
    with full_memory(engine):
        assert finish(engine, slot, run) == "repeated"
    assert engine.workflows.advance() == 0
    assert states(engine, jobs) == ["running"] * 3 + ["cancelled"]
