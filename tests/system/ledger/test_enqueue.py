"""A durable enqueue: a row in the caller's transaction, and what it costs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from django_jobqueue import on_commit
from django_jobqueue.engine import get_engine
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import outbox
from django_jobqueue.models import Enqueued
from django_jobqueue.testing import EagerBackend, captured_jobs, drain
from embedded.server import EmbeddedServer
from tests.support.ledger import DATABASE, Ledger, tasks


class LeftBehind(Exception):
    """What a transaction is rolled back for."""


@contextmanager
def rolled_back() -> Iterator[None]:
    try:
        with transaction.atomic(using=DATABASE):
            yield
            raise LeftBehind
    except LeftBehind:
        pass


@contextmanager
def queries() -> Iterator[list[str]]:
    """Note the first word of each statement, but for the row that is changed."""
    found: list[str] = []
    with CaptureQueriesContext(connections[DATABASE]) as context:
        yield found
    found += [each["sql"].split()[0] for each in context.captured_queries]


@contextmanager
def script_calls(ledger: Ledger) -> Iterator[list[str]]:
    """Note what the server is asked in the block."""
    client, found = ledger.engine.client.redis, list[str]()
    client.config_resetstat()
    yield found
    stats: Any = client.info("commandstats")
    for name in ("evalsha", "eval", "hset", "zrem"):
        # A script's own commands are counted too: of those, only these two names matter here.
        found += [name] * int(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


def queued(ledger: Ledger) -> list[str]:
    return [job.id for job in ledger.engine.inspector.page(State.QUEUED, 0, 5000)][::-1]


def test_id_is_there_at_once_and_the_job_after_the_commit(ledger: Ledger) -> None:
    with transaction.atomic(using=DATABASE):
        result = tasks.add.enqueue(1, 2)
        assert result.is_pending
        assert ledger.row(result.id).accepted_at is None
        assert queued(ledger) == []

    row = ledger.row(result.id)
    assert (row.state, row.round, row.alias, row.fence) == ("open", 1, "default", "")
    assert row.accepted_at is not None
    assert queued(ledger) == [result.id]
    assert result.enqueued_at is not None

    assert drain() == 1
    row = ledger.row(result.id)
    assert (row.state, row.result, row.reason) == ("succeeded", "3", "")
    assert row.finished_at is not None
    result.refresh()
    assert result.return_value == 3
    assert ledger.engine.unsettled.count() == 0  # the slot has written the row


def test_rollback_leaves_nothing(ledger: Ledger) -> None:
    """Neither that of the transaction nor that of a savepoint; what stands around it is kept."""
    with rolled_back():
        tasks.add.enqueue(1, 2)
    with transaction.atomic(using=DATABASE):
        before = tasks.add.enqueue(1, 2)
        with rolled_back():
            tasks.add.enqueue_many([(3, 4), (5, 6)])
        after = tasks.add.enqueue(7, 8)

    assert [str(row.job_id) for row in ledger.rows] == [before.id, after.id]
    assert queued(ledger) == [before.id, after.id]


def test_order_of_a_transaction_is_kept(ledger: Ledger) -> None:
    """Of durable and other jobs together."""
    with transaction.atomic(using=DATABASE):
        results = [
            task.enqueue(*arguments)
            for task, arguments in [(tasks.add, (1, 2)), (tasks.plain, ()), (tasks.add, (3, 4))]
        ]
    assert queued(ledger) == [result.id for result in results]
    assert ledger.rows.count() == 2


def test_first_row_of_a_process_is_announced(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the commit: else no worker would look for it if the process died after that."""
    monkeypatch.setattr(outbox, "_announced", set())
    with transaction.atomic(using=DATABASE):
        tasks.add.enqueue(1, 2)
        assert ledger.engine.unsettled.look().has_ledger


def test_cancelled_before_the_commit(ledger: Ledger) -> None:
    with transaction.atomic(using=DATABASE):
        result = tasks.add.enqueue(1, 2)
        assert result.cancel()
    assert result.is_dropped
    assert not ledger.rows.exists()
    assert queued(ledger) == []


def test_cost_of_one_job(ledger: Ledger) -> None:
    """What docs/how-to/durable.md says."""
    with queries() as enqueue:
        tasks.add.enqueue(1, 2)
    with queries() as run:
        drain()
    assert enqueue == ["INSERT", "UPDATE"]
    assert run == ["UPDATE", "BEGIN", "UPDATE", "COMMIT"]


def test_cost_of_an_atomic_job(ledger: Ledger) -> None:
    tasks.count_once.enqueue()
    with queries() as run:
        drain()
    assert run == ["UPDATE", "BEGIN", "UPDATE", "UPDATE", "COMMIT"]


def test_many_jobs_are_one_insert_and_one_call(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes 999 variables in one statement, in Django 5.2: so many rows."""
    many = min(
        CHUNK,
        connections[DATABASE].ops.bulk_batch_size(Enqueued._meta.concrete_fields, range(CHUNK)),
    )
    tasks.add.enqueue(0, 0)  # the first one of a process loads the script, and says so
    writer, calls = get_engine("default").jobs, list[str]()
    run = writer._run
    monkeypatch.setattr(writer, "_run", lambda *given, **more: _noted(calls, run, given, more))
    with queries() as asked:
        results = tasks.add.enqueue_many([(n, n) for n in range(many)])
    # Django 6.1 opens no transaction for a single statement.
    assert [kind for kind in asked if kind not in ("BEGIN", "COMMIT")] == ["INSERT", "UPDATE"]
    assert calls == ["enqueue"]
    assert queued(ledger)[1:] == [result.id for result in results]
    assert ledger.rows.exclude(accepted_at=None).count() == many + 1


def _noted(calls: list[str], run: Any, given: Any, more: Any) -> Any:
    calls.append(given[0])
    return run(*given, **more)


def test_task_that_is_not_durable_has_no_row(ledger: Ledger) -> None:
    with queries() as asked:
        tasks.plain.enqueue()
        tasks.add.using(durable=False).enqueue(1, 2)
        assert drain() == 2
    assert asked == []


def test_option_makes_all_tasks_durable(ledger: Ledger, settings: Any) -> None:
    settings.TASKS["default"]["OPTIONS"]["DURABLE"] = True
    settings.TASKS = {**settings.TASKS}
    result = tasks.plain.enqueue()
    tasks.plain.using(durable=False).enqueue()
    assert [str(row.job_id) for row in ledger.rows] == [result.id]


def test_run_after_counts_from_the_row(ledger: Ledger) -> None:
    """Also when Redis gets the job much later."""
    began = time.time() * 1000
    result = tasks.add.using(run_after=timedelta(hours=1)).enqueue(1, 2)
    ended = time.time() * 1000
    ledger.engine.client.redis.flushall()
    ledger.reconcile()
    job = ledger.engine.inspector.job(result.id)
    assert job.state is State.SCHEDULED
    assert began <= (job.due_at or 0) - 3_600_000 <= ended + 1


def test_redis_that_is_away_costs_nothing_but_time(
    ledger: Ledger, redis_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The enqueue does not raise, nor wait for a second try; and reconcile stores the job."""
    monkeypatch.setattr(on_commit, "PATIENCE", 100.0)
    monkeypatch.setattr(on_commit, "RETRY_AFTER", 30.0)
    redis_server.stop()
    began = time.monotonic()
    try:
        result = tasks.add.enqueue(1, 2)
        with transaction.atomic(using=DATABASE):
            other = tasks.add.enqueue(3, 4)
    finally:
        redis_server.start()
    assert time.monotonic() - began < 30
    assert result.enqueued_at is None
    assert result.store_failed
    assert [row.accepted_at for row in ledger.rows] == [None, None]

    ledger.engine.client.try_again()
    assert ledger.reconcile().report.stored == 2

    assert queued(ledger) == [result.id, other.id]
    assert not ledger.rows.filter(accepted_at=None).exists()
    drain()
    result.refresh()
    assert result.return_value == 3


def test_captured_and_eager_jobs_have_rows(ledger: Ledger, settings: Any) -> None:
    """A project's tests see what its receivers of job_settled write."""
    with captured_jobs() as jobs:
        captured = tasks.add.enqueue(1, 2)
        jobs.run()
    assert ledger.row(captured.id).state == "succeeded"

    path = f"{EagerBackend.__module__}.{EagerBackend.__qualname__}"
    settings.TASKS = {"default": settings.TASKS["default"] | {"BACKEND": path}}
    eager = tasks.count_once.enqueue()
    assert ledger.row(eager.id).state == "succeeded"
    assert ledger.counted() == 1


@pytest.mark.parametrize("kind", ["sqlite"])
def test_row_that_can_not_be_written_stores_no_job(ledger: Ledger) -> None:
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("ALTER TABLE django_jobqueue_enqueued RENAME TO elsewhere")
    with pytest.raises(Exception, match="no such table"):
        tasks.add.enqueue(1, 2)
    assert queued(ledger) == []
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO django_jobqueue_enqueued")
