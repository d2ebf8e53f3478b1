"""Telling of jobs that ended without a slot: what receivers see, and what is passed over."""

import multiprocessing
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from django_jobqueue import JobResult, compat
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Lease, Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.worker.config import WorkerConfig
from django_jobqueue.worker.ended import EndedJobs
from django_jobqueue.worker.health import Health
from django_jobqueue.worker.heartbeat import Heartbeat
from django_jobqueue.worker.limits.enforcer import Enforcer
from django_jobqueue.worker.limits.shared_state import SharedState
from django_jobqueue.worker.slot_loop import SlotLoop, StopFlag
from tests.project import tasks, untellable
from tests.support import payloads
from tests.support.places import claimed
from tests.worker.execution import executor

Seen = list[tuple[JobResult[..., Any], BaseException | None]]


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What a receiver was told: the result, and the exception that it finds."""
    found: Seen = []

    def finished(task_result: JobResult[..., Any], **_: object) -> None:
        found.append((task_result, sys.exc_info()[1]))

    compat.signals.task_finished.connect(finished)
    yield found
    compat.signals.task_finished.disconnect(finished)


def tell_all(engine: Engine) -> int:
    """Tell of all that has ended; return how many jobs were taken."""
    ended, taken = EndedJobs(engine, lambda: None), 0
    while ended.tell_next():
        taken += 1
    return taken


def test_receiver_gets_the_job_as_it_ended(engine: Engine, seen: Seen) -> None:
    """With its arguments, its task and all else that Redis knows."""
    result = tasks.add.using(metadata={"tenant": 7}, priority=3).enqueue(1, b=2)
    engine.jobs.cancel(result.id, "by_user")
    assert tell_all(engine) == 1
    ((told, error),) = seen
    assert (told.id, told.task.name, told.task.priority) == (result.id, "add", 3)
    assert (told.args, told.kwargs, told.metadata) == ([1], {"b": 2}, {"tenant": 7})
    assert (told.state, told.reason, told.status) == (
        State.CANCELLED,
        "by_user",
        compat.TaskResultStatus.FAILED,
    )
    assert told.enqueued_at == result.enqueued_at
    assert told.finished_at is not None
    assert (type(error).__name__, str(error)) == ("JobCancelled", "by_user")


def test_requeued_job_is_told_of_as_it_ended_then(engine: Engine, seen: Seen) -> None:
    """Not twice: its first end was taken back."""
    result = tasks.add.enqueue(1, 2)
    result.cancel()
    engine.jobs.requeue(result.id)
    assert tell_all(engine) == 0
    result.cancel()
    assert tell_all(engine) == 1
    assert len(seen) == 1


@pytest.mark.parametrize("broken", ["unknown task", "no payload", "no record"])
def test_job_that_is_no_result_is_passed_over(
    engine: Engine, seen: Seen, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """The log names it, unless nothing is known of it; the next one is told of."""
    first, second = tasks.add.enqueue(1, 2), tasks.add.enqueue(3, 4)
    for result in (first, second):
        result.cancel()
    client, keys = engine.client.redis, engine.client.keys
    if broken == "unknown task":
        client.hset(keys("job", first.id), "task", "tests.project.nowhere.add")
    elif broken == "no payload":
        payloads.drop(engine, first.id)
    else:
        client.delete(keys("job", first.id))
        client.zrem(keys("cancelled", "default"), first.id)
    assert tell_all(engine) == 2
    assert [told.id for told, _ in seen] == [second.id]
    assert (f"is told of an end. Job {first.id}" in caplog.text) == (broken != "no record")
    if broken == "no payload":
        engine.jobs.delete(first.id)


def test_receiver_that_ends_its_process_ends_nothing(
    engine: Engine, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor one whose exception the log can't format."""
    untellable.breaks_slot.func()
    untellable.has_broken_receiver.func()
    results = [tasks.add.enqueue(1, n) for n in range(3)]
    for result in results:
        result.cancel()
    assert tell_all(engine) == 3
    assert {told.id for told, _ in seen} == {result.id for result in results}


def test_job_is_read_for_nobody(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Without a receiver its task is not even looked up."""
    result = tasks.add.enqueue(1, 2)
    result.cancel()
    engine.client.redis.hset(engine.client.keys("job", result.id), "task", "nowhere.add")
    level = compat._log.level
    compat._log.setLevel("CRITICAL")
    try:
        assert tell_all(engine) == 1
    finally:
        compat._log.setLevel(level)
    assert "is told of an end" not in caplog.text


def cancelled_run(engine: Engine, slot: Slot) -> Job:
    """Return a claimed job whose cancellation is requested."""
    tasks.add.enqueue(1, 2)
    job = claimed(engine, slot)
    engine.jobs.cancel(job.id)
    return job


def test_slot_that_stops_leaves_telling_to_others(engine: Engine, slot: Slot, seen: Seen) -> None:
    """The job that it releases without a run is cancelled."""
    job = cancelled_run(engine, slot)
    state = SharedState(multiprocessing, ["0.0"]).slot("0.0")
    stop = StopFlag(requested=True)
    SlotLoop(engine, executor, slot, ["default"], stop, state, reports=engine.jobs)._release(job)
    assert tell_all(engine) == 1
    assert [told.state for told, _ in seen] == [State.CANCELLED]


def test_end_that_redis_lost_is_told_again(engine: Engine, slot: Slot, seen: Seen) -> None:
    """The supervisor releases the run, and the job is cancelled."""
    job = cancelled_run(engine, slot)
    config = WorkerConfig(alias="default", worker=slot.worker, queues=None)
    shared = SharedState(multiprocessing, config.slots)
    heartbeat = Heartbeat(
        engine,
        config,
        Enforcer(shared, 30.0, may_kill=True),
        Health(shared, config.slots, 30.0, None),
    )
    heartbeat._release(Lease(slot.name, job.id, job.fence))
    assert tell_all(engine) == 1
    assert [told.state for told, _ in seen] == [State.CANCELLED]
