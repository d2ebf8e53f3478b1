"""move: a job that waits goes into another queue."""

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import NoJob, Slot
from django_jobqueue.exceptions import JobNotFound, QueueUnavailable
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from tests.support.consistency import assert_consistent
from tests.support.flows import members, steps
from tests.support.places import (
    DONE,
    Make,
    claimed,
    drop_tokens,
    everything,
    finish,
    full_memory,
    next_ids,
    nothing,
    places,
    record,
    score,
    tokens,
)
from tests.support.unique import KEY

MOVABLE = (State.QUEUED, State.SCHEDULED, State.WAITING)


def test_queued_job_gets_the_last_place_of_its_priority(engine: Engine, make_job: Make) -> None:
    job_id = make_job(priority=7)
    low, urgent, other = make_job(queue="b"), make_job(queue="b", priority=9), new_id()
    like = make_job(queue="b", priority=7)
    assert engine.edits.move(job_id, "b") is None
    assert record(engine, job_id)["queue"] == "b"
    assert other not in places(engine)["queued"]["b"]
    assert next_ids(engine, 4, "b") == [urgent, like, job_id, low]
    nothing(engine, Slot("worker-1", "0.0"))


def test_moved_job_wakes_a_slot_of_its_new_queue(engine: Engine, make_job: Make) -> None:
    job_id = make_job()
    drop_tokens(engine, "default", "b", "*")
    engine.edits.move(job_id, "b")
    assert tokens(engine, "b") == 1
    work = engine.client.redis.zrange(engine.client.keys("work"), 0, -1)
    assert work == [b"b"]


def test_scheduled_job_keeps_its_time(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.SCHEDULED)
    due = score(engine, "scheduled", job_id)
    assert engine.edits.move(job_id, "b") is None
    assert score(engine, "scheduled", job_id, "b") == due
    noted = engine.client.redis.zscore(engine.client.keys("due"), "b")
    assert noted == due
    assert score(engine, "scheduled", job_id) is None


def test_job_that_waits_for_a_key_keeps_its_turn(engine: Engine, make_job: Make) -> None:
    slot = Slot("worker-1", "0.0")
    make_job(limits=("1w:k",))
    holder = claimed(engine, slot)
    ids = [make_job(limits=("1w:k",)) for _ in range(3)]
    nothing(engine, Slot("worker-2", "0.0"))
    turn = score(engine, "parked", ids[0], "k")
    assert engine.edits.move(ids[0], "b") is None
    assert places(engine)["waiting"] == {"default": ids[1:], "b": ids[:1]}
    assert score(engine, "parked", ids[0], "k") == turn
    finish(engine, slot, holder)
    assert next_ids(engine, 1, "b") == ids[:1]


def test_member_of_a_workflow_runs_in_its_new_queue(engine: Engine) -> None:
    workflow, shape = new_id(), [(0, 1), (1, 0)]
    first, second = jobs = members(workflow, shape, ())
    engine.workflows.stage(workflow, jobs, total=2, steps=steps(shape), output=b"1.x.1")
    engine.workflows.seal(workflow)
    assert engine.edits.move(second.id, "b") is None
    slot = Slot("worker-1", "0.0")
    finish(engine, slot, claimed(engine, slot))
    assert next_ids(engine, 1, "b") == [second.id]
    assert first.id != second.id


def test_waiting_jobs_take_no_turns_in_a_fair_queue(engine: Engine, make_job: Make) -> None:
    """They get one when they are queued."""
    workflow, shape = new_id(), [(0, 1), (1, 0), (1, 0)]
    jobs = members(workflow, shape, (), fair="a")
    engine.workflows.stage(workflow, jobs, total=3, steps=steps(shape), output=b"1.x.1")
    engine.workflows.seal(workflow)
    queued = [make_job(queue="b", fair=key) for key in ("b", "c", "b", "c")]
    places_before = [score(engine, "waiting", job.id) for job in jobs[1:]]
    for job in jobs[1:]:
        engine.edits.move(job.id, "b")
    assert [score(engine, "waiting", job.id, "b") for job in jobs[1:]] == places_before
    new = make_job(queue="b", fair="a")
    first_round = {queued[0], queued[1], new}
    assert set(next_ids(engine, 3, "b")) == first_round


def test_all_else_of_the_job_goes_along(engine: Engine, make_job: Make) -> None:
    given = {"unique": f"{KEY} done", "tags": ("t",), "limits": ("2w:k",), "round": 1}
    job_id = make_job(**given)
    before = record(engine, job_id)
    engine.edits.move(job_id, "b")
    assert record(engine, job_id) == before | {"queue": "b"}
    slot = Slot("worker-1", "0.0")
    job = claimed(engine, slot, "b")
    assert (job.id, job.queue, job.tags, job.round) == (job_id, "b", ("t",), 1)
    assert finish(engine, slot, job, DONE) == "ok"


def test_job_may_be_moved_into_a_paused_queue(engine: Engine, make_job: Make) -> None:
    job_id = make_job()
    engine.queues.pause("b")
    assert engine.edits.move(job_id, "b") is None
    assert isinstance(engine.claims.claim(Slot("worker-1", "0.0"), ["*"]), NoJob)
    engine.queues.resume("b")
    assert next_ids(engine, 1, "b") == [job_id]


def test_limit_of_the_new_queue_counts(engine: Engine, make_job: Make) -> None:
    engine.client.run("set_limits", queues="b 1 ")
    make_job(queue="b")
    job_id = make_job()
    slot = Slot("worker-1", "0.0")
    first = claimed(engine, slot, "b")
    engine.edits.move(job_id, "b")
    nothing(engine, Slot("worker-1", "1.0"), "b")
    finish(engine, slot, first)
    assert next_ids(engine, 1, "b") == [job_id]


@pytest.mark.parametrize("state", [state for state in State if state not in MOVABLE])
def test_job_in_another_state_stays(engine: Engine, job_in: Make, state: State) -> None:
    job_id = job_in(state)
    before = everything(engine)
    assert engine.edits.move(job_id, "b") is state
    assert everything(engine) == before


@pytest.mark.parametrize("state", MOVABLE)
def test_same_call_again_changes_nothing(engine: Engine, job_in: Make, state: State) -> None:
    job_id = job_in(state)
    engine.edits.move(job_id, "b")
    before = everything(engine)
    assert engine.edits.move(job_id, "b") is None
    assert everything(engine) == before


def test_unknown_job_is_told(engine: Engine) -> None:
    with pytest.raises(JobNotFound):
        engine.edits.move(new_id(), "b")
    assert not places(engine)


@pytest.mark.parametrize("queue", ["", "my queue", "q" * 65, "a:b"])
def test_name_that_no_queue_can_have_is_refused(engine: Engine, make_job: Make, queue: str) -> None:
    job_id = make_job()
    before = everything(engine)
    with pytest.raises(QueueUnavailable, match="queue is"):
        engine.edits.move(job_id, queue)
    assert everything(engine) == before


def test_record_without_a_queue_is_left_alone(engine: Engine, make_job: Make) -> None:
    job_id = make_job()
    engine.client.redis.hdel(engine.client.keys("job", job_id), "queue")
    assert engine.edits.move(job_id, "b") is State.QUEUED
    engine.client.redis.hset(engine.client.keys("job", job_id), "queue", "default")


def test_queue_that_holds_a_job_of_another_gives_it_back(engine: Engine, make_job: Make) -> None:
    """A move broke before it wrote the record, and never came again."""
    job_id = make_job()
    engine.client.redis.zadd(engine.client.keys("queued", "b"), {job_id: 1})
    nothing(engine, Slot("worker-1", "0.0"), "b")
    assert places(engine)["queued"] == {"default": [job_id]}
    assert_consistent(engine)


def test_promotion_gives_a_job_of_another_queue_back(engine: Engine, job_in: Make) -> None:
    job_id = job_in(State.SCHEDULED)
    engine.client.redis.zadd(engine.client.keys("scheduled", "b"), {job_id: 1})
    engine.client.redis.zadd(engine.client.keys("due"), {"b": 1})
    engine.queues.promote()
    assert places(engine)["scheduled"] == {"default": [job_id]}
    assert record(engine, job_id)["state"] == "scheduled"


@pytest.mark.parametrize("state", MOVABLE)
def test_full_server_takes_it(engine: Engine, job_in: Make, state: State) -> None:
    """What stands there already can be put in order."""
    job_id = job_in(state)
    with full_memory(engine):
        assert engine.edits.move(job_id, "b") is None
    assert record(engine, job_id)["queue"] == "b"
