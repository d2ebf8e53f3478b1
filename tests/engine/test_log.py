"""log: lines that the runs of a job wrote."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import MAX_LINES
from tests.support.places import RETRIED, Make, claimed, everything, finish, full_memory, record


def texts(engine: Engine, job_id: str) -> list[str]:
    return [text for _, text in engine.inspector.job(job_id).log]


def test_lines_are_shown_in_their_order(engine: Engine, slot: Slot, make_job: Make) -> None:
    """With the time of the server; the text may be anything."""
    job_id = make_job()
    job = claimed(engine, slot)

    lines = ["first", "", "  réading line 5 ", "1700000000000 looks like a time"]
    for text in lines:
        assert engine.jobs.log(job_id, job.fence, text)

    assert texts(engine, job_id) == lines
    times = [at for at, _ in engine.inspector.job(job_id).log]
    assert times == sorted(times)
    assert job.attempted_at <= times[0] < job.attempted_at + 60_000
    assert "log" not in record(engine, job_id)


def test_time_is_the_servers(engine: Engine, clock, slot: Slot, make_job: Make) -> None:
    """No worker's clock is asked."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.log(job_id, job.fence, "now")
    clock.move(3600)
    engine.jobs.log(job_id, job.fence, "an hour later")

    (first, _), (second, _) = engine.inspector.job(job_id).log
    assert 3_600_000 <= second - first < 3_660_000


def test_only_the_newest_lines_stay(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Exactly as many as the cap allows."""
    job_id = make_job()
    job = claimed(engine, slot)
    for number in range(MAX_LINES + 5):
        engine.jobs.log(job_id, job.fence, str(number))

    assert texts(engine, job_id) == [str(number) for number in range(5, MAX_LINES + 5)]


def test_repeated_line_is_noted_once(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Its nonce tells it from another of the same text."""
    job_id = make_job()
    job = claimed(engine, slot)
    assert engine.jobs.log(job_id, job.fence, "half", nonce="first")
    before = everything(engine)

    assert engine.jobs.log(job_id, job.fence, "half", nonce="first")
    assert everything(engine) == before

    assert engine.jobs.log(job_id, job.fence, "half", nonce="second")
    assert engine.jobs.log(job_id, job.fence, "half")
    assert engine.jobs.log(job_id, job.fence, "half")
    assert texts(engine, job_id) == ["half"] * 4


def test_repeated_line_of_an_old_fence_hears_that(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """It was noted, but the run has lost its lease since."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.log(job_id, job.fence, "half", nonce="first")
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed")

    assert not engine.jobs.log(job_id, job.fence, "half", nonce="first")
    assert texts(engine, job_id) == ["half"]


def test_lines_of_all_runs_stay_together(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A retry and a requeue add to what was written before."""
    job_id = make_job()
    job = claimed(engine, slot)
    engine.jobs.log(job_id, job.fence, "first run")
    finish(engine, slot, job, RETRIED)
    engine.jobs.requeue(job_id)
    job = claimed(engine, slot)
    engine.jobs.log(job_id, job.fence, "second run")
    finish(engine, slot, job)
    assert texts(engine, job_id) == ["first run", "second run"]

    engine.jobs.requeue(job_id)
    assert texts(engine, job_id) == ["first run", "second run"]


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_job_that_does_not_run_takes_none(engine: Engine, job_in: Make, state: State) -> None:
    """A run that lost its lease hears so."""
    job_id = job_in(state)
    before = everything(engine)

    fence = record(engine, job_id).get("fence", "1-0")
    assert not engine.jobs.log(job_id, fence, "late")
    assert everything(engine) == before


def test_old_fence_does_not_write_among_its_successors_lines(
    engine: Engine, slot: Slot, make_job: Make
) -> None:
    """Only the holder of the lease does."""
    job_id = make_job()
    old = claimed(engine, slot)
    engine.leases.release_slot(Slot("worker-1", "0.0"), lost=True, reason="killed")
    new = claimed(engine, slot)
    engine.jobs.log(job_id, new.fence, "new")

    assert not engine.jobs.log(job_id, old.fence, "old")
    assert texts(engine, job_id) == ["new"]


def test_unknown_job_takes_none(engine: Engine) -> None:
    """A deleted job leaves no line behind."""
    before = everything(engine)
    assert not engine.jobs.log("nobody", "1-0", "text")
    assert everything(engine) == before


def test_line_is_refused_at_maxmemory(engine: Engine, slot: Slot, make_job: Make) -> None:
    """Nobody needs it as much as the memory."""
    job_id = make_job()
    job = claimed(engine, slot)
    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        engine.jobs.log(job_id, job.fence, "text", nonce="first")
    assert texts(engine, job_id) == []
    assert engine.jobs.log(job_id, job.fence, "text", nonce="first")
    assert texts(engine, job_id) == ["text"]


@pytest.mark.parametrize("stored", [b"", b"text", b"12x text", b"-5 text", b"9" * 15 + b" text"])
def test_line_that_others_wrote_is_left_out(
    engine: Engine, slot: Slot, make_job: Make, stored: bytes
) -> None:
    """It hides neither the job nor the other lines."""
    job_id = make_job()
    job = claimed(engine, slot)
    key = engine.client.keys("log", job_id)
    engine.client.redis.rpush(key, stored, b"1700000000000 \xff")
    engine.jobs.log(job_id, job.fence, "ours")

    assert texts(engine, job_id) == ["\\xff", "ours"]


def test_key_of_another_type_hides_nothing(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The page of the job stands, without lines."""
    job_id = make_job()
    claimed(engine, slot)
    engine.client.redis.set(engine.client.keys("log", job_id), "no list")

    assert texts(engine, job_id) == []
    engine.client.redis.delete(engine.client.keys("log", job_id))
