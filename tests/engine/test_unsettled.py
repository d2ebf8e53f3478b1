"""What Redis notes of the ends of durable jobs, and what their ledger reads."""

from collections.abc import Callable
from functools import partial

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.jobs import RoundNeeded, ValueUnsettled
from django_jobqueue.engine.unsettled import Note
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from tests.support.places import (
    DONE,
    FAILED,
    REAP,
    RELEASED,
    RETRIED,
    Make,
    claimed,
    counted,
    everything,
    finish,
    full_memory,
    record,
)

Ends = Callable[[Engine, str], object]


def notes(engine: Engine) -> list[tuple[str, int, str, str]]:
    """Return id, round, state and reason of each note, the oldest first."""
    found = engine.unsettled.read(0, 100).values()
    return [(note.id, note.round, note.state, note.reason) for note in found if note]


def run(engine: Engine, result: RunResult) -> str:
    slot = Slot("worker-1", "0.0")
    return finish(engine, slot, claimed(engine, slot), result)


def lose(engine: Engine, job_id: str) -> None:
    claimed(engine, Slot("worker-1", "0.0"))
    engine.client.redis.zadd(engine.client.keys("leases", "default"), {job_id: 1})
    engine.queues.reap(**REAP)


def cancel_while_it_runs(engine: Engine, job_id: str) -> None:
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot)
    engine.jobs.cancel(job_id, "by_hand")
    assert finish(engine, slot, job, RETRIED) == "cancelled"


def damage(engine: Engine, job_id: str) -> None:
    engine.client.redis.hset(engine.client.keys("job", job_id), "state", "nonsense")
    engine.claims.claim(Slot("worker-1", "0.0"), ["default"])


ENDS: dict[str, tuple[Ends, str, str]] = {
    "success": (lambda engine, _: run(engine, DONE), "succeeded", ""),
    "failure": (lambda engine, _: run(engine, FAILED), "failed", "exception"),
    "cancel": (
        lambda engine, job_id: engine.jobs.cancel(job_id, "by_hand"),
        "cancelled",
        "by_hand",
    ),
    "cancel of a run": (cancel_while_it_runs, "cancelled", "by_hand"),
    "lost": (lose, "failed", "lost"),
    "deletion": (lambda engine, job_id: engine.jobs.delete(job_id), "cancelled", "deleted"),
    "damage": (damage, "failed", "damaged"),
}


@pytest.mark.parametrize("name", ENDS)
def test_end_of_a_durable_job_is_noted(engine: Engine, make_job: Make, name: str) -> None:
    end, state, reason = ENDS[name]
    job_id = make_job(round=3, max_recoveries=0)
    end(engine, job_id)
    assert notes(engine) == [(job_id, 3, state, reason)]
    (note,) = engine.unsettled.read(0, 1).values()
    assert note is not None
    assert note.at > 1_600_000_000_000
    assert engine.unsettled.look() == (True, False)


@pytest.mark.parametrize("name", ENDS)
def test_end_of_another_job_is_not(engine: Engine, make_job: Make, name: str) -> None:
    ENDS[name][0](engine, make_job(max_recoveries=0))
    assert notes(engine) == []
    assert "unsettled" not in everything(engine)


@pytest.mark.parametrize("result", [DONE, FAILED])
def test_end_that_its_row_tells_is_not(engine: Engine, make_job: Make, result: RunResult) -> None:
    """Unless the row has another state than Redis."""
    make_job(round=1)
    run(engine, result._replace(settled=str(result.outcome)))
    assert notes(engine) == []
    job_id = make_job(round=1)
    run(engine, result._replace(settled="cancelled"))
    assert notes(engine) == [(job_id, 1, result.outcome, result.reason)]


@pytest.mark.parametrize("result", [RETRIED, RELEASED])
def test_run_that_ends_no_job_is_not(engine: Engine, make_job: Make, result: RunResult) -> None:
    make_job(round=1)
    run(engine, result)
    assert notes(engine) == []


def test_final_job_that_goes_is_not_noted_again(engine: Engine, make_job: Make) -> None:
    """By hand or when its retention is over: its end was noted, or stands in its row."""
    for _ in range(2):
        make_job(round=1)
        run(engine, DONE._replace(settled="succeeded"))
    (one, _) = engine.inspector.page(State.SUCCEEDED, 0, 2)
    engine.jobs.delete(one.id)
    engine.client.run("trim", ["succeeded", 0, 0], first="", limit=10, interval=0)
    assert engine.inspector.count(State.SUCCEEDED) == 0
    assert notes(engine) == []


def test_value_stays_until_its_row_has_it(engine: Engine, make_job: Make) -> None:
    """Neither trim nor a deletion takes it away; of a failed one, the note tells all."""
    kept, failed, plain = make_job(round=1), make_job(round=1), make_job()
    for result in (DONE, FAILED, DONE):
        run(engine, result)
    before = everything(engine)
    with pytest.raises(ValueUnsettled, match=kept):
        engine.jobs.delete(kept)
    assert everything(engine) == before
    trim = partial(engine.client.run, "trim", first="", limit=10, interval=0)
    assert trim(["succeeded", 0, 0, "failed", 0, 0]) == [b"", 2]
    assert set(engine.unsettled.held([kept, failed, plain])) == {kept}

    engine.unsettled.drop(note.member for note in engine.unsettled.held([kept]).values())

    assert [note[0] for note in notes(engine)] == [failed]
    assert trim(["succeeded", 0, 0]) == [b"", 1]
    engine.client.redis.delete(engine.client.keys("unsettled"))


def test_overtaken_run_is_counted(engine: Engine, make_job: Make) -> None:
    make_job(round=1)
    run(engine, RunResult(Outcome.RELEASED, reason="overtaken", settled="stale"))
    assert engine.inspector.totals() == {"stale": 1}
    assert counted(engine, "stale") == 1


def test_full_server_takes_notes(engine: Engine, make_job: Make) -> None:
    """Whoever frees memory may do so."""
    deleted, done = make_job(round=1), make_job(round=1)
    slot = Slot("worker-1", "0.0")
    with full_memory(engine):
        assert engine.jobs.delete(deleted)
        assert finish(engine, slot, claimed(engine, slot), DONE) == "ok"
    assert [note[0] for note in notes(engine)] == [deleted, done]


def test_notes_are_dropped_one_by_one(engine: Engine, make_job: Make) -> None:
    for _ in range(3):
        engine.jobs.delete(make_job(round=1))
    first, *others = engine.unsettled.read(0, 100)
    engine.unsettled.drop([first])
    engine.unsettled.drop([])
    assert [*engine.unsettled.read(0, 100)] == others
    assert engine.unsettled.count() == 2
    assert [*engine.unsettled.read(1, 100)] == others[1:]


ID = "01936f2a-7c00-7abc-9def-012345678900"


@pytest.mark.parametrize(
    "member", ["nonsense", "", f"{ID} x failed ", f"{ID} 1 odd ", f"{ID} 1 running "]
)
def test_note_that_can_not_be_read(engine: Engine, member: str) -> None:
    engine.client.redis.zadd(engine.client.keys("unsettled"), {member: 1})
    assert list(engine.unsettled.read(0, 100).values()) == [None]


def test_what_redis_holds(engine: Engine, make_job: Make) -> None:
    """Of damaged records too."""
    queued, failed, plain = make_job(round=2), make_job(round=1), make_job(queue="b")
    engine.jobs.cancel(failed)
    for name, value in (("state", "nonsense"), ("round", "x"), ("task", "")):
        engine.client.redis.hset(engine.client.keys("job", plain), name, value)
    held = engine.unsettled.held([queued, failed, plain, new_id()])
    assert set(held) == {queued, failed, plain}
    assert held[queued] == Note(queued, 2, State.QUEUED, "", 0, True)
    assert held[failed][1:4] == (1, State.CANCELLED, "cancelled")
    assert held[failed].at > 0
    assert held[plain] == Note(plain, 0, State.FAILED, "", 0, False)
    engine.client.redis.flushall()  # nobody could repair it


def test_end_of_a_first_run_is_read_from_how_long_it_took(engine: Engine, make_job: Make) -> None:
    job_id = make_job(round=1)
    run(engine, DONE)
    engine.client.redis.hset(engine.client.keys("job", job_id), "took", 5000)
    job = engine.inspector.job(job_id)
    assert engine.unsettled.held([job_id])[job_id].at == job.attempted_at + 5000 == job.finished_at


def test_value_of_a_job(engine: Engine, make_job: Make) -> None:
    job_id = make_job()
    assert engine.unsettled.value(job_id) is None
    run(engine, DONE._replace(value='"é"'.encode()))
    assert engine.unsettled.value(job_id) == '"é"'


def test_mark_is_set_once_per_epoch(engine: Engine) -> None:
    engine.unsettled.mark_durable()
    assert engine.unsettled.look() == (False, True)
    engine.client.redis.hdel(engine.client.keys("meta"), "durable")
    engine.unsettled.mark_durable()
    assert not engine.unsettled.look().has_ledger
    engine.client.redis.flushall()
    engine.client.detach()
    engine.client.attach()
    engine.unsettled.mark_durable()
    assert engine.unsettled.look().has_ledger


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_requeue_of_a_durable_job_needs_a_round(engine: Engine, job_in: Make, state: State) -> None:
    """A greater one than it has; the same call again changes nothing."""
    job_id = job_in(state, round=2)
    before = everything(engine)
    with pytest.raises(RoundNeeded) as needed:
        engine.jobs.requeue(job_id)
    assert needed.value.round == 2
    assert engine.jobs.requeue(job_id, round=2) is state
    assert everything(engine) == before

    assert engine.jobs.requeue(job_id, round=3) is State.QUEUED
    assert record(engine, job_id)["round"] == "3"
    before = everything(engine)
    assert engine.jobs.requeue(job_id, round=3) is State.QUEUED
    assert everything(engine) == before


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED, State.WAITING, State.RUNNING])
def test_job_that_is_not_final_takes_the_round_over(
    engine: Engine, job_in: Make, state: State
) -> None:
    """And stays where it is."""
    job_id = job_in(state, round=1)
    before = everything(engine)
    assert engine.jobs.requeue(job_id, round=2) is state
    wanted = {**before[f"job:{job_id}"], b"round": b"2"}
    assert everything(engine) == {**before, f"job:{job_id}": wanted}


def test_scheduled_durable_job_can_be_run_now(engine: Engine, job_in: Make) -> None:
    """It is the same round."""
    job_id = job_in(State.SCHEDULED, round=1)
    assert engine.jobs.requeue(job_id) is State.QUEUED
    assert record(engine, job_id)["round"] == "1"
