"""The index of the tasks that have failed jobs."""

from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from tests.support.clock import Clock
from tests.support.places import FAILED, Make, claimed, finish


def failed_tasks(engine: Engine) -> list[tuple[str, int]]:
    """Return the tasks in the order of the index, with the time of the last failure."""
    key = engine.client.keys("failed-tasks")
    found: Any = engine.client.redis.zrange(key, 0, -1, withscores=True)
    return [(task.decode(), int(at)) for task, at in found]


def test_it_has_the_time_of_each_tasks_last_failure(
    engine: Engine, clock: Clock, job_in: Make
) -> None:
    for task in ("a.b", "c.d", "a.b"):
        clock.move(1)
        job_in(State.FAILED, task=task)
    for state in set(State) - {State.FAILED}:
        job_in(state, queue=state.value, task="never.failed")

    (first, before), (second, last) = failed_tasks(engine)
    assert (first, second) == ("c.d", "a.b")
    assert 1000 <= last - before < 60_000


def test_a_task_leaves_with_its_last_failed_job(engine: Engine, clock: Clock, job_in: Make) -> None:
    """Requeued, deleted or trimmed."""
    deleted, *requeued = (job_in(State.FAILED, task="a.b") for _ in range(3))
    engine.jobs.delete(deleted)
    for job_id in requeued:
        assert [name for name, _ in failed_tasks(engine)] == ["a.b"]
        engine.jobs.requeue(job_id)
    assert failed_tasks(engine) == []

    job_in(State.FAILED, queue="mail", task="a.b")
    clock.move(60 * 86_400)
    engine.queues.trim()
    assert failed_tasks(engine) == []


def test_a_key_of_another_type_stops_no_job(engine: Engine, slot: Slot, make_job: Make) -> None:
    """It would stop the failed jobs of all tasks."""
    job_id = make_job()
    key = engine.client.keys("failed-tasks")
    engine.client.redis.set(key, "nonsense")
    finish(engine, slot, claimed(engine, slot), FAILED)
    assert [name for name, _ in failed_tasks(engine)] == ["tests.project.tasks.noop"]

    engine.client.redis.set(key, "nonsense")
    try:
        assert engine.jobs.requeue(job_id) is State.QUEUED
    finally:
        engine.client.redis.delete(key)
