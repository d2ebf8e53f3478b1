"""The kit for users' own tests."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import TestCase, override_settings

from django_jobqueue.compat import (
    NATIVE,
    TaskResultDoesNotExist,
    TaskResultStatus,
    is_heard,
    signals,
    task_backends,
)
from django_jobqueue.engine import Engine
from django_jobqueue.jobs.job import new_id
from django_jobqueue.jobs.states import State
from django_jobqueue.testing import assert_enqueued, captured_jobs, drain, job_context
from tests.project import tasks
from tests.project.settings import OPTIONS, TASKS

EAGER = {"default": {"BACKEND": "django_jobqueue.testing.EagerBackend", "OPTIONS": {}}}


FRAMEWORK = logging.getLogger("django.tasks" if NATIVE else "django_tasks")


def captured() -> None:
    with captured_jobs() as jobs:
        tasks.fail.enqueue()
        tasks.cancel_itself.enqueue()
    jobs.run()


def eager() -> None:
    with override_settings(TASKS=EAGER):
        tasks.fail.enqueue()
        tasks.cancel_itself.enqueue()


def drained() -> None:
    tasks.fail.enqueue()
    tasks.cancel_itself.enqueue()
    assert drain() == 2


WAYS = [captured, eager, drained]


@pytest.mark.parametrize("run", WAYS)
def test_log_has_the_lines_of_a_worker(
    engine: Engine, caplog: pytest.LogCaptureFixture, run: Callable[[], None]
) -> None:
    """And none of the framework's, of which each ERROR is mailed; afterwards it logs as before."""
    caplog.set_level("DEBUG", "django_jobqueue")
    receivers = [set(signal.receivers) for signal in (signals.task_started, signals.task_finished)]
    run()
    told = [(line.name, line.levelname, line.message.split()[0]) for line in caplog.records]
    ours = "django_jobqueue.worker"
    assert told == [
        *[(ours, "DEBUG", "Started"), (ours, "ERROR", "failed")],
        *[(ours, "DEBUG", "Started"), (ours, "INFO", "cancelled")],
    ]
    assert is_heard(signals.task_finished, logging.ERROR)
    assert receivers == [
        set(signal.receivers) for signal in (signals.task_started, signals.task_finished)
    ]


@pytest.mark.parametrize("run", WAYS)
def test_framework_logs_if_it_is_told_to(
    engine: Engine, caplog: pytest.LogCaptureFixture, run: Callable[[], None]
) -> None:
    """As in a worker: LOGGING names its logger, and a cancellation is no error."""
    caplog.set_level("ERROR", FRAMEWORK.name)
    run()
    told = [line.message for line in caplog.records if line.name == FRAMEWORK.name]
    assert [line.rpartition("=")[2] for line in told] == ["FAILED"]
    assert FRAMEWORK.filters == []


class CapturedInTestCase(TestCase):
    """captured_jobs() inside Django's TestCase, where no commit ever happens."""

    def test_captures_without_commit_and_without_redis(self) -> None:
        """A job enqueued in a transaction is there at once."""
        with captured_jobs() as jobs, transaction.atomic():
            tasks.add.enqueue(1, b=2)
        (job,) = assert_enqueued(jobs, tasks.add, args=[1], kwargs={"b": 2}, count=1)
        assert job.enqueued_at is not None

    def test_runs_what_was_captured_once(self) -> None:
        """run() returns how each job ended, and forgets them."""
        with captured_jobs() as jobs:
            tasks.add.enqueue(1, 2)
            tasks.fail.enqueue()
        added, failed = jobs.run()
        assert added.return_value == 3
        assert failed.state == State.FAILED
        assert failed.errors[0].exception_class is ValueError
        assert jobs.run() == []

    def test_captured_jobs_are_looked_up_and_cancelled_without_redis(self) -> None:
        """What a page with the state of a job does, and its button."""
        with captured_jobs() as jobs:
            first, second = (tasks.add.enqueue(1, n) for n in (1, 2))
            assert tasks.add.get_result(first.id).state == State.QUEUED
            assert second.cancel()
            assert tasks.add.get_result(second.id).state == State.CANCELLED
            assert [result.id for result in jobs.run()] == [first.id]
            first.refresh()
            assert (first.state, first.return_value) == (State.SUCCEEDED, 2)
            assert not first.cancel()
            with pytest.raises(TaskResultDoesNotExist):
                tasks.add.get_result(new_id())


def test_assert_enqueued_tells_what_was_enqueued_instead() -> None:
    """The message lists the captured jobs."""
    with captured_jobs() as jobs:
        tasks.add.using(queue_name="mail").enqueue(1, 2)
    with pytest.raises(AssertionError, match=r"wanted at least 1.*\n  tests.project.tasks.add\("):
        assert_enqueued(jobs, tasks.add, args=[3, 4])
    with pytest.raises(AssertionError, match="wanted 2"):
        assert_enqueued(jobs, tasks.add, count=2)
    assert assert_enqueued(jobs, tasks.add, queue_name="mail")[0].task.queue_name == "mail"


def test_capturing_ends_with_the_block_and_checks_arguments(engine: Engine) -> None:
    """Inside, bad arguments are refused as always; outside, jobs are stored again."""
    with captured_jobs() as jobs, pytest.raises(TypeError, match="positional argument 1"):
        tasks.echo.enqueue(object(), 2)
    with captured_jobs() as jobs:
        tasks.add.enqueue_many([(1, 2), {"a": 3, "b": 4}])
    assert [job.kwargs for job in jobs] == [{}, {"a": 3, "b": 4}]
    assert engine.inspector.count(State.QUEUED) == 0
    tasks.add.enqueue(1, 2)
    assert engine.inspector.count(State.QUEUED) == 1


@override_settings(TASKS=EAGER)
def test_eager_backend_runs_at_once_without_redis() -> None:
    """The result is final when enqueue() returns, and can be looked up."""
    result = tasks.add.enqueue(1, 2)
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 3)
    assert tasks.add.get_result(result.id).return_value == 3
    assert not result.cancel()
    assert tasks.echo.using(run_after=timedelta(days=1)).enqueue((1,)).return_value == [[[1]], {}]
    assert [r.return_value for r in tasks.add.enqueue_many([(1, 1), (2, 2)])] == [2, 4]


@override_settings(TASKS=EAGER)
def test_eager_backend_retries_at_once(tmp_path) -> None:
    """Three attempts leave two errors and three workers."""
    result = tasks.fail_twice.enqueue(str(tmp_path / "runs"))
    assert (result.return_value, result.attempts, len(result.errors)) == ("done", 3, 2)
    assert tasks.cancel_itself.enqueue().state == State.CANCELLED


@override_settings(TASKS=EAGER)
def test_eager_backend_sends_the_signals() -> None:
    """task_enqueued, task_started and task_finished come in this order."""
    seen: list[str] = []
    names = ("task_enqueued", "task_started", "task_finished")
    receivers = {name: (lambda name=name, **_: seen.append(name)) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    try:
        tasks.noop.enqueue()
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)
    assert seen == list(names)


def test_drain_runs_what_stands_in_redis(engine: Engine, tmp_path) -> None:
    """Retries that are due later stay; what has run is final."""
    results = [tasks.add.enqueue(1, n) for n in range(3)]
    later = tasks.add.using(run_after=timedelta(hours=1)).enqueue(1, 1)
    assert drain() == 3
    for n, result in enumerate(results):
        result.refresh()
        assert result.return_value == 1 + n
    later.refresh()
    assert later.state == State.SCHEDULED
    assert task_backends["default"].__class__.__name__ == "JobQueueBackend"


def test_drain_follows_jobs_to_queues_that_are_new(engine: Engine) -> None:
    """A job that enqueues to a queue of another name is followed there."""
    tasks.enqueue_elsewhere.enqueue("brand-new")
    assert drain() == 2


def test_drain_tells_of_jobs_that_ended_without_a_run(engine: Engine) -> None:
    """As a worker does, once; and those of its alias alone."""
    seen: list[tuple[str, State]] = []

    def finished(task_result, **_: object) -> None:
        seen.append((task_result.id, task_result.state))

    signals.task_finished.connect(finished)
    try:
        cancelled = tasks.add.enqueue(1, 2)
        cancelled.cancel()
        done = tasks.add.enqueue(3, 4)
        with override_settings(TASKS=TASKS | {"other": TASKS["default"]}):
            assert drain("other") == 0
            assert seen == []
        assert drain() == 1
        assert drain() == 0
    finally:
        signals.task_finished.disconnect(finished)
    assert seen == [(done.id, State.SUCCEEDED), (cancelled.id, State.CANCELLED)]


class UnpreparedProject(TestCase):
    """A project whose tests know nothing of the queue."""

    def setUp(self) -> None:
        options = {name: value for name, value in OPTIONS.items() if name != "STORE_IN_TESTS"}
        tasks_setting = {"default": TASKS["default"] | {"OPTIONS": options}}
        self.enterContext(override_settings(TASKS=tasks_setting))

    def test_refuses_to_store(self) -> None:
        """Outside of a transaction as the task sees it, and as a refresh."""
        for store in (
            lambda: tasks.add.using(on_commit=False).enqueue(1, 2),
            lambda: tasks.add.using(on_commit=False).enqueue_many([(1, 2)]),
        ):
            with pytest.raises(ImproperlyConfigured, match=r"A test stores a job .* captured_jobs"):
                store()

    def test_stores_nothing_when_hooks_are_executed(self) -> None:
        """The error is logged: it can't leave the commit."""
        logs = self.enterContext(self.assertLogs("django_jobqueue", "ERROR"))
        with self.captureOnCommitCallbacks(execute=True):
            result = tasks.add.enqueue(1, 2)
        assert "A test stores a job" in logs.output[0]
        assert result.enqueued_at is None

    def test_captures(self) -> None:
        with captured_jobs() as jobs:
            tasks.add.enqueue(1, 2)
        assert len(jobs) == 1


def test_context_for_a_direct_call() -> None:
    """It has what a run has, and keeps what the function reports."""
    context = job_context(tasks.attempt_of, attempt=3, metadata={"tenant": 7}, schedule="nightly")
    assert tasks.attempt_of(context, "x") == [3, context.task_result.id, "x"]
    assert (context.metadata, context.schedule, context.max_attempts) == (
        {"tenant": 7},
        "nightly",
        1,
    )
    tasks.with_progress(context, 4)
    context.log("two\nlines")
    assert context.task_result.progress == (4, 4, "step 4")
    assert [line.text for line in context.task_result.log] == ["two lines"]


def test_every_attempt_is_counted_however_few_records_are_kept(engine: Engine) -> None:
    """The 25th run sees attempt 25, and is the last one; a guard of a task's own works too."""
    last = tasks.count_attempts.using(max_attempts=25).enqueue()
    asking = tasks.ask_until.enqueue(30)
    for _ in range(31):
        drain()
    for result, attempts in ((last, 25), (asking, 31)):
        result.refresh()
        assert (result.state, result.attempts) == (State.FAILED, attempts)
        assert len(result.errors) == 20
    assert last.errors[-1].traceback.endswith("ValueError: attempt 25 of 25\n")
    assert asking.errors[-1].traceback.endswith("ValueError: 31 is enough\n")
