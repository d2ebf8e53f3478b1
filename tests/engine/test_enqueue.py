"""enqueue: jobs are stored, each once."""

from datetime import timedelta
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.jobs import new_job
from tests.support.places import (
    Make,
    claimed,
    counted,
    drop_tokens,
    everything,
    full_memory,
    next_ids,
    places,
    record,
    score,
    tokens,
)

TASK = "tests.project.tasks.noop"


def new(**given: Any) -> Job:
    fields: dict[str, Any] = {"id": new_id(), "queue": "default", "task": TASK, "payload": b"x"}
    return new_job(**fields | given)


def test_job_without_a_time_is_queued(engine: Engine) -> None:
    """The id stands in the queue's index, the small fields in the record."""
    job = new()

    [at] = engine.jobs.enqueue([job])

    assert places(engine) == {"queued": {"default": [job.id]}}
    assert record(engine, job.id) == {
        "state": "queued",
        "queue": "default",
        "task": TASK,
        "enqueued_at": str(at),
        "payload": "x",
    }
    assert counted(engine, "enqueued") == 1


def test_job_with_a_time_is_scheduled(engine: Engine) -> None:
    """A time in ms is the score, to the millisecond."""
    job = new(due=4_000_000_000_123)

    engine.jobs.enqueue([job])

    assert places(engine) == {"scheduled": {"default": [job.id]}}
    assert score(engine, "scheduled", job.id) == 4_000_000_000_123
    assert record(engine, job.id)["state"] == "scheduled"


@pytest.mark.parametrize(("delay", "ms"), [(1.5, 1500), (86_400, 86_400_000), (-5, 0)])
def test_relative_time_counts_from_the_servers_now(engine: Engine, delay: float, ms: int) -> None:
    """The caller's clock has no say; a time before now is now."""
    job = new(due=timedelta(seconds=delay))

    [at] = engine.jobs.enqueue([job])

    assert score(engine, "scheduled", job.id) == at + ms


def test_relative_time_follows_a_moved_clock(engine: Engine, clock: Clock) -> None:
    """An hour's shift of the server moves what is stored by an hour."""
    first, second = new(due=timedelta(seconds=10)), new(due=timedelta(seconds=10))
    [early] = engine.jobs.enqueue([first])
    clock.move(3600)

    [late] = engine.jobs.enqueue([second])

    assert late - early >= 3_600_000
    assert score(engine, "scheduled", second.id) == late + 10_000


def test_time_in_the_past_is_claimed_at_once(engine: Engine, slot: Slot) -> None:
    """A due time that is over does not strand the job."""
    job = new(due=1000)
    engine.jobs.enqueue([job])

    assert claimed(engine, slot).id == job.id


def test_known_id_changes_nothing(engine: Engine, clock: Clock) -> None:
    """The same call again, its reply lost, tells when the job was stored first."""
    job = new(due=timedelta(hours=1))
    [first] = engine.jobs.enqueue([job])
    before = everything(engine)
    clock.move(90)

    assert engine.jobs.enqueue([job]) == [first]
    assert everything(engine) == before


@pytest.mark.parametrize("state", list(State))
def test_known_id_is_left_alone_in_every_state(engine: Engine, job_in: Make, state: State) -> None:
    """Even other contents under the same id change nothing."""
    job_id = job_in(state)
    before = everything(engine)

    engine.jobs.enqueue([new(id=job_id, payload=b"other", priority=9, due=5)])

    assert everything(engine) == before


def test_same_id_twice_in_one_call_is_one_job(engine: Engine) -> None:
    """The first of two counts."""
    job = new()

    first, second = engine.jobs.enqueue([job, job])

    assert first == second
    assert places(engine) == {"queued": {"default": [job.id]}}
    assert tokens(engine) == 1


def test_chunk_is_stored_in_order_in_one_call(engine: Engine) -> None:
    """500 jobs keep their order, over several queues."""
    jobs = [new(queue=f"q{n % 2}") for n in range(CHUNK)]

    at = engine.jobs.enqueue(jobs)

    assert at == [at[0]] * CHUNK
    assert places(engine) == {
        "queued": {"q0": [job.id for job in jobs[::2]], "q1": [job.id for job in jobs[1::2]]}
    }
    assert next_ids(engine, 3, "q0") == [job.id for job in jobs[:6:2]]
    assert counted(engine, "enqueued", "q0") == CHUNK / 2


def test_more_than_a_chunk_is_refused(engine: Engine) -> None:
    """One script call must not hold up the server for long."""
    with pytest.raises(ValueError, match="101 jobs in one call; at most 100"):
        engine.jobs.enqueue([new()] * (CHUNK + 1))
    assert places(engine) == {}


def test_no_jobs_are_no_call(engine: Engine) -> None:
    """An empty list is stored as such."""
    assert engine.jobs.enqueue([]) == []


@pytest.mark.parametrize("due", [None, timedelta(hours=1)])
def test_priority_and_further_fields_are_kept(engine: Engine, due: timedelta | None) -> None:
    """Only what differs from the defaults costs memory."""
    job = new(priority=-7, due=due, max_attempts=5, max_recoveries=0)

    engine.jobs.enqueue([job])

    fields = record(engine, job.id)
    assert (fields["priority"], fields["max_attempts"], fields["max_recoveries"]) == (
        "-7",
        "5",
        "0",
    )


def test_queue_stands_in_order_of_priority_then_arrival(engine: Engine) -> None:
    """Priorities from 100 to -100 never touch each other, and each is first in, first out."""
    priorities = [0, -100, 100, 1, -1, 99, -99, 0, 100, -100]
    jobs = [new(priority=priority) for priority in priorities]

    engine.jobs.enqueue(jobs)

    wanted = [job.id for job in sorted(jobs, key=lambda job: -job.priority)]  # a stable sort
    assert places(engine) == {"queued": {"default": wanted}}


@pytest.mark.parametrize(
    "data",
    [b"[]", b"12345678901234567", b'{"a":[],"b":1e400}', b"\x00\xff", 39 * b"x", 40 * b"x"],
)
def test_payload_comes_back_byte_for_byte(
    engine: Engine, slot: Slot, make_job: Make, data: bytes
) -> None:
    """No script decodes what users store."""
    job_id = make_job(data=data)

    shown = engine.inspector.job(job_id)
    job = claimed(engine, slot)

    assert shown.payload == job.payload
    assert engine.signer.verify(job.id, job.task, job.payload or b"") == data


@pytest.mark.parametrize(("length", "is_small"), [(0, True), (64, True), (65, False), (999, False)])
@pytest.mark.parametrize("due", [None, 5_000_000_000_000])
def test_small_payload_is_a_field(
    engine: Engine, length: int, is_small: bool, due: int | None
) -> None:
    """A longer value would double the memory of the record (decision 15)."""
    job = new(payload=length * b"x", due=due)
    engine.jobs.enqueue([job])
    engine.jobs.enqueue([new(id=job.id, payload=(100 - length) * b"y")])  # changes nothing

    encoding: Any = engine.client.redis.object("encoding", engine.client.keys("job", job.id))
    assert encoding in (b"listpack", b"ziplist")
    assert ("payload" in record(engine, job.id)) is is_small
    assert engine.client.redis.exists(engine.client.keys("payload", job.id)) == (not is_small)
    assert engine.inspector.job(job.id).payload == job.payload


def test_any_number_of_jobs_is_stored_in_order(engine: Engine) -> None:
    """In calls of 100, each made ready while the server stores the last."""
    jobs = [new() for _ in range(2 * CHUNK + 1)]
    stored = list(engine.jobs.enqueue_many(jobs))
    assert [len(each) for each in stored] == [CHUNK, CHUNK, 1]
    assert places(engine) == {"queued": {"default": [job.id for job in jobs]}}
    assert list(engine.jobs.enqueue_many([])) == []


def test_one_token_stands_in_each_list(engine: Engine, make_job: Make) -> None:
    """The slot that takes it passes it on: see claim."""
    engine.jobs.enqueue([new() for _ in range(70)])
    make_job()
    make_job(queue="other")

    assert (tokens(engine), tokens(engine, "other"), tokens(engine, "*")) == (1, 1, 1)


def test_queue_is_known_with_its_first_job(engine: Engine, make_job: Make) -> None:
    """Whether it can be claimed or is scheduled."""
    make_job(queue="fresh")
    make_job(queue="fresher", due=timedelta(hours=1))

    assert engine.queues.names() == ["default", "fresh", "fresher"]


def test_earliest_due_time_wakes_a_slot(engine: Engine, make_job: Make) -> None:
    """A slot sleeps until the earliest due time: a later one need not wake it."""
    for minutes, woken in ((10, 1), (20, 0), (5, 1)):
        drop_tokens(engine)
        make_job(due=timedelta(minutes=minutes))
        assert (tokens(engine), tokens(engine, "*")) == (woken, woken)


@pytest.mark.parametrize("due", [None, timedelta(hours=1)])
def test_full_server_refuses_and_keeps_nothing(
    engine: Engine, make_job: Make, due: timedelta | None
) -> None:
    """At maxmemory nothing of the job is written, and the caller hears of it."""
    make_job()
    before = everything(engine)

    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        engine.jobs.enqueue([new(due=due), new(due=due)])

    assert everything(engine) == before


def test_flushed_scripts_are_loaded_again(engine: Engine, make_job: Make) -> None:
    """SCRIPT FLUSH between two calls is invisible."""
    first = make_job()
    engine.client.redis.script_flush()

    assert places(engine) == {"queued": {"default": [first]}}
    second = make_job()
    assert places(engine) == {"queued": {"default": [first, second]}}


def test_repeat_after_damage_stays_failed(engine: Engine, slot: Slot, make_job: Make) -> None:
    """A job that ended as damaged is known: the same enqueue again stores no second one."""
    job_id = make_job()
    engine.client.redis.delete(engine.client.keys("job", job_id))
    engine.claims.claim(slot, ["default"])
    assert places(engine) == {"failed": {"default": [job_id]}}

    engine.jobs.enqueue([new(id=job_id)])

    assert places(engine) == {"failed": {"default": [job_id]}}


def test_paused_queue_takes_jobs(engine: Engine, make_job: Make) -> None:
    """Pausing stops claims, not callers."""
    engine.queues.pause("default")

    job_id = make_job()

    assert places(engine) == {"queued": {"default": [job_id]}}


def test_queue_paused_before_its_first_job_is_announced(engine: Engine, make_job: Make) -> None:
    """Slots that serve all queues hear of it, although its name is known already."""
    engine.queues.pause("fresh")
    engine.queues.resume("fresh")
    announced = tokens(engine, "*")
    drop_tokens(engine)

    make_job(queue="fresh")

    assert announced + tokens(engine, "*") >= 1
