"""Workflows of callers whose transaction is rolled back, or whose Redis fails; and what is told."""

import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from django_jobqueue import Workflow, chain, compat, group, on_commit
from django_jobqueue.engine import Engine
from django_jobqueue.exceptions import QueueUnavailable
from django_jobqueue.flow.signatures import MOST_MEMBERS, MOST_OF_GROUP
from django_jobqueue.flow.workflow import WorkflowNotFound, WorkflowState
from django_jobqueue.jobs.states import State
from django_jobqueue.signals import enqueue_failed
from django_jobqueue.testing import drain
from tests.project import flow_tasks as flow


@contextmanager
def no_memory(engine: Engine) -> Iterator[None]:
    engine.client.redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        engine.client.redis.config_set("maxmemory", "0")


@contextmanager
def failures() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []

    def note(**given: Any) -> None:
        found.append(given)

    enqueue_failed.connect(note)
    try:
        yield found
    finally:
        enqueue_failed.disconnect(note)


@pytest.mark.django_db(transaction=True)
def test_commit_that_can_not_store_tells_of_each_member(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    before = on_commit.failures["default"]
    with failures() as told, no_memory(engine), transaction.atomic():
        made = chain(flow.number.using(on_commit=True).s(3), flow.double.s())
        workflow = made.on_done(flow.nothing.si()).enqueue()
    assert [one["result"].task.module_path for one in told] == [
        flow.number.module_path, flow.double.module_path,
    ]  # fmt: skip
    assert {one["workflow"].id for one in told} == {workflow.id}
    assert all(one["result"].store_failed for one in told)
    (line,) = [one for one in caplog.records if hasattr(one, "workflow")]
    assert line.levelno == logging.ERROR
    assert on_commit.failures["default"] - before == 2
    assert (workflow.is_pending, workflow.store_failed) == (False, True)
    with pytest.raises(WorkflowNotFound):
        workflow.wait(1)
    error = told[0]["exception"]
    assert isinstance(error, QueueUnavailable)
    assert error.again is not None
    error.again()
    drain()
    assert workflow.wait(1) == 6


@pytest.mark.django_db(transaction=True)
def test_rollback_is_known(engine: Engine) -> None:
    task = flow.number.using(on_commit=True)
    with transaction.atomic():
        with transaction.atomic():
            inner = group(task.s(1)).enqueue()
            transaction.set_rollback(True)
        outer = group(task.s(2)).enqueue()
        transaction.set_rollback(True)
    gc.collect()
    for workflow in (inner, outer):
        assert (workflow.is_pending, workflow.is_dropped) == (False, True)
        assert workflow.state is WorkflowState.CANCELLED
        workflow.refresh()
        workflow.cancel()
        for ask in (workflow.result, lambda found=workflow: found.wait(1)):
            with pytest.raises(ValueError, match="never stored"):
                ask()
    assert drain() == 0


def test_again_stores_a_workflow_once(engine: Engine) -> None:
    """Also if parts of it were stored before Redis failed."""
    workflow: Any = None
    with no_memory(engine), pytest.raises(QueueUnavailable) as raised:
        group(flow.number.s(n) for n in range(3)).enqueue()
    assert raised.value.again is not None
    for _ in range(2):
        workflow = raised.value.again()
    assert drain() == 3
    assert workflow.wait(1) == [0, 1, 2]
    raised.value.again()
    assert drain() == 0


def test_wait_ends_in_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pauses, which grow to half a second, do not outlast it."""
    workflow = group(flow.number.s(1)).enqueue()
    pauses: list[float] = []
    sleep = time.sleep

    def note(seconds: float) -> None:
        pauses.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", note)
    with pytest.raises(TimeoutError, match=r"running after 0\.6 s"):
        workflow.wait(0.6)
    assert sum(pauses) <= 0.6
    pauses.clear()
    for timeout in (0, -1):
        with pytest.raises(TimeoutError):
            workflow.wait(timeout)
    assert pauses == []
    with pytest.raises(WorkflowNotFound):
        Workflow("nobody").wait(1)
    workflow.cancel()


def test_members_are_told_as_enqueued(engine: Engine) -> None:
    found: list[Any] = []

    def note(task_result: Any, **_: Any) -> None:
        found.append((task_result.task.name, task_result.enqueued_at is not None))

    compat.signals.task_enqueued.connect(note)
    try:
        made = chain(flow.number.s(1), flow.double.s()).on_done(flow.nothing.si())
        made.enqueue()
    finally:
        compat.signals.task_enqueued.disconnect(note)
    assert found == [("number", True), ("double", True), ("nothing", True)]
    drain()


def test_full_group_has_room_for_what_follows(engine: Engine) -> None:
    calls = [flow.nothing.si()] * MOST_OF_GROUP
    assert group(calls).then(flow.echo.s()).size == MOST_OF_GROUP + 1
    assert chain(group(calls), flow.echo.s(), flow.echo.s()).size == MOST_OF_GROUP + 2
    with pytest.raises(compat.InvalidTask, match="a group has at most 10,000"):
        group(*calls, flow.nothing.si())
    with pytest.raises(compat.InvalidTask, match="and a workflow 11,000"):
        chain(group(calls), group(calls[: MOST_MEMBERS - MOST_OF_GROUP + 1]))


def test_what_follows_is_not_nested(engine: Engine) -> None:
    """A loop may add one part after the other."""
    made: Any = flow.number.s(1)
    for _ in range(100):
        made = made.then(flow.double.s())
    workflow = made.enqueue()
    assert drain() == 101
    assert workflow.wait(1) == 2**100


def test_missing_result_is_none_only_if_the_caller_said_so(engine: Engine) -> None:
    """The payload says so, which is signed; the record, which anybody may change, does not."""
    workflow = chain(flow.number.s(1), flow.echo.s()).enqueue()
    keys, client = engine.client.keys, engine.client.redis
    assert drain() == 2
    client.hset(keys("workflow", workflow.id), "if_failed", "continue")
    client.delete(keys("workflow-results", workflow.id))
    child = engine.workflows.members(workflow.id)[1]
    engine.jobs.requeue(child.id)
    drain()
    assert engine.inspector.job(child.id).state is State.FAILED
    client.flushall()
