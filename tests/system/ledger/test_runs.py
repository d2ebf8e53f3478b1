"""Runs and their rows: who holds it, who was overtaken, and what if the database is away."""

from contextlib import suppress
from typing import Any

import pytest
from django.db import connections, transaction

from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from django_jobqueue.ledger import rounds
from django_jobqueue.ledger.lag import lag
from django_jobqueue.ledger.runs import LedgerRun, Overtaken
from django_jobqueue.models import Enqueued
from django_jobqueue.signals import job_settled
from django_jobqueue.testing import drain
from tests.support.ledger import DATABASE, Ledger, tasks
from tests.support.places import claimed, counted


def done(value: Any) -> RunResult:
    return RunResult(Outcome.SUCCEEDED, b"1")


def test_second_run_finds_the_row_final(ledger: Ledger) -> None:
    """It copies what the row says, and does not call the function."""
    result = tasks.count_once.enqueue()
    row = LedgerRun("default", DATABASE, claimed(ledger.engine, Slot("w", "0")))
    assert row.begin() is None
    row.atomically(tasks.count, lambda value: RunResult(Outcome.SUCCEEDED, b'"first"'))
    ledger.engine.leases.release_slot(Slot("w", "0"), lost=True, reason="killed_9")

    drain()

    result.refresh()
    assert (result.state, result.return_value, result.recoveries) == ("succeeded", "first", 1)
    assert ledger.counted() == 1
    assert ledger.engine.unsettled.count() == 0


def test_run_that_was_overtaken_is_rolled_back(ledger: Ledger) -> None:
    """Its lease had ended, another run began: only that one counts."""
    tasks.count_once.enqueue()
    engine = ledger.engine
    first = claimed(engine, Slot("w", "0"))
    row = LedgerRun("default", DATABASE, first)
    assert row.begin() is None
    engine.leases.release_slot(Slot("w", "0"), lost=True, reason="killed_9")
    second = claimed(engine, Slot("w", "1"))
    other = LedgerRun("default", DATABASE, second)
    assert other.begin() is None

    with pytest.raises(Overtaken):
        row.atomically(tasks.count, done)

    assert ledger.counted() == 0
    end = row.as_row_says()
    assert (end.outcome, end.settled) == (Outcome.RELEASED, "stale")
    assert engine.claims.finish(Slot("w", "0"), first, end, []).reply == "stale"
    other.atomically(tasks.count, done)
    assert ledger.counted() == 1


def test_overtaken_run_that_holds_its_lease_is_counted(ledger: Ledger) -> None:
    """Redis has lost the later claim: the run is released, recorded, and counted as stale."""
    result = tasks.add.enqueue(1, 2)
    engine, slot = ledger.engine, Slot("w", "0")
    job = claimed(engine, slot)
    row = LedgerRun("default", DATABASE, job)
    assert row.begin() is None
    ledger.rows.update(fence="9-another")

    end = row.end(RunResult(Outcome.SUCCEEDED, b"3"), None)

    assert engine.claims.finish(slot, job, end, []).reply == "ok"
    found = engine.inspector.job(result.id)
    assert (found.state, found.reason) == (State.SCHEDULED, "overtaken")
    assert [run.outcome for run in found.runs] == ["released"]
    assert engine.inspector.totals() == {"stale": 1}
    assert counted(engine, "stale") == 1
    assert ledger.row(result.id).state == "open"


def test_overtaken_atomic_run_is_no_failed_attempt(ledger: Ledger) -> None:
    """However many attempts are left: it is released."""
    result = tasks.lose_the_row.enqueue()
    drain()
    found = ledger.engine.inspector.job(result.id)
    assert (found.state, found.reason, found.attempts) == (State.SCHEDULED, "overtaken", 0)
    assert ledger.counted() == 0
    assert ledger.row(result.id).state == "open"


def test_row_that_is_final_wins_over_redis(ledger: Ledger) -> None:
    """The run had committed, and its worker was lost too often: it is a success after all."""
    result = tasks.count_once.using(max_recoveries=0).enqueue()
    engine = ledger.engine
    row = LedgerRun("default", DATABASE, claimed(engine, Slot("w", "0")))
    assert row.begin() is None
    row.atomically(tasks.count, done)
    engine.leases.release_slot(Slot("w", "0"), lost=True, reason="killed_9")
    assert engine.inspector.job(result.id).state is State.FAILED

    ledger.reconcile()

    result.refresh()
    assert (result.state, result.return_value) == ("succeeded", 1)


def test_job_of_an_older_round_is_not_run(ledger: Ledger) -> None:
    """Redis has lost the requeue: reconcile gives the job its round."""
    result = tasks.add.enqueue(1, 2)
    ledger.rows.update(round=2)
    drain()
    found = ledger.engine.inspector.job(result.id)
    assert (found.state, found.reason, found.round) == (State.SCHEDULED, "overtaken", 1)

    ledger.reconcile()

    assert ledger.engine.inspector.job(result.id).round == 2
    ledger.engine.jobs.requeue(result.id)  # now
    drain()
    assert (ledger.row(result.id).state, ledger.row(result.id).round) == ("succeeded", 2)


def test_job_of_a_later_round_opens_its_row(ledger: Ledger) -> None:
    """A client that knows no rows has requeued it."""
    result = tasks.add.enqueue(1, 2)
    drain()
    ledger.engine.jobs.requeue(result.id, round=2)
    drain()
    assert (ledger.row(result.id).state, ledger.row(result.id).round) == ("succeeded", 2)


def test_receiver_that_raises_rolls_back(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """The end stands in Redis, and is told again until the receiver takes it."""

    def refuse(row: Enqueued, **_: Any) -> None:
        tasks.count()
        raise LookupError("not yet")

    result = tasks.add.enqueue(1, 2)
    job_settled.connect(refuse, sender=Enqueued)
    try:
        drain()
        result.refresh()
        assert result.return_value == 3
        assert ledger.row(result.id).state == "open"
        ledger.reconcile()
        assert ledger.row(result.id).state == "open"
    finally:
        job_settled.disconnect(refuse, sender=Enqueued)
    assert "not yet" in caplog.text
    assert lag(ledger.engine).unsettled == 1

    ledger.reconcile()

    assert (ledger.row(result.id).state, ledger.row(result.id).result) == ("succeeded", "3")
    assert ledger.counted() == 0
    assert lag(ledger.engine).unsettled == 0


def test_receiver_of_an_atomic_run_that_raises(ledger: Ledger) -> None:
    """It is part of the run, which fails."""

    def refuse(row: Enqueued, **_: Any) -> None:
        if row.state == "succeeded":
            raise LookupError("never")

    result = tasks.count_once.enqueue()
    job_settled.connect(refuse, sender=Enqueued)
    try:
        drain()
    finally:
        job_settled.disconnect(refuse, sender=Enqueued)
    result.refresh()
    assert (result.state, ledger.row(result.id).state) == ("failed", "failed")
    assert ledger.counted() == 0


def test_database_that_is_away_at_the_beginning(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """The run does not begin, and uses no attempt."""
    result = tasks.add.enqueue(1, 2)
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("ALTER TABLE django_jobqueue_enqueued RENAME TO elsewhere")
    drain()
    with connections[DATABASE].cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO django_jobqueue_enqueued")
    found = ledger.engine.inspector.job(result.id)
    assert (found.state, found.reason, found.attempts) == (State.SCHEDULED, "ledger_away", 0)
    assert "its row can't be written" in caplog.text
    ledger.engine.jobs.requeue(result.id)
    drain()
    assert ledger.row(result.id).state == "succeeded"


def test_atomic_failure_is_rolled_back_and_retried(ledger: Ledger) -> None:
    result = tasks.count_and_fail.enqueue()
    drain()
    assert ledger.row(result.id).state == "open"  # it is retried
    ledger.engine.jobs.requeue(result.id)
    drain()
    assert (ledger.row(result.id).state, ledger.row(result.id).reason) == ("failed", "exception")
    assert ledger.counted() == 0


def test_atomic_run_that_returns_no_json_is_rolled_back(ledger: Ledger) -> None:
    result = tasks.count_unfit.enqueue()
    drain()
    result.refresh()
    assert (result.state, result.attempts) == ("failed", 1)
    assert ledger.row(result.id).state == "failed"
    assert ledger.counted() == 0


def test_atomic_coroutine(ledger: Ledger) -> None:
    result = tasks.acount_once.enqueue()
    drain()
    result.refresh()
    assert (result.return_value, ledger.row(result.id).result) == (1, "1")
    assert ledger.counted() == 1


def test_atomic_run_does_not_take_part_in_another_transaction(ledger: Ledger) -> None:
    """Its commit must be one: else it would be told before it is true."""
    tasks.count_once.enqueue()
    row = LedgerRun("default", DATABASE, claimed(ledger.engine, Slot("w", "0")))
    with transaction.atomic(using=DATABASE), pytest.raises(RuntimeError, match="durable"):
        row.atomically(tasks.count, done)


@pytest.mark.parametrize("fails", [False, True])
def test_what_an_atomic_run_enqueues_is_part_of_its_commit(ledger: Ledger, fails: bool) -> None:
    """Of a task that is not durable by itself, too."""
    result = tasks.count_and_enqueue.enqueue(fails)
    drain()
    result.refresh()
    rows = {str(row.job_id) for row in ledger.rows} - {result.id}
    if fails:
        assert rows == set()
        assert result.state == "failed"
    else:
        assert rows == {result.return_value}
        assert ledger.row(result.return_value).state == "succeeded"


def test_requeue_of_an_open_job_changes_no_round(ledger: Ledger) -> None:
    result = tasks.add.enqueue(1, 2)
    assert rounds.requeue(ledger.engine, result.id) is State.QUEUED
    assert ledger.row(result.id).round == 1
    ledger.engine.client.redis.flushall()
    assert rounds.requeue(ledger.engine, result.id) is State.QUEUED
    assert (ledger.row(result.id).round, ledger.engine.inspector.job(result.id).round) == (1, 1)


def test_requeue_is_undone_by_a_rollback(ledger: Ledger) -> None:
    result = tasks.add.enqueue(1, 2)
    drain()
    with suppress(LookupError), transaction.atomic(using=DATABASE):
        rounds.requeue(ledger.engine, result.id)
        raise LookupError
    assert (ledger.row(result.id).state, ledger.row(result.id).round) == ("succeeded", 1)
    assert ledger.engine.inspector.job(result.id).state is State.SUCCEEDED


def test_job_of_a_schedule_gets_its_row_at_its_run(ledger: Ledger) -> None:
    """Whoever stores a job without a row: what it does is done once."""
    backend = tasks.count_once.get_backend()
    prepared = backend.prepare_scheduled(tasks.count_once, (), {}, schedule="nightly")
    ledger.engine.jobs.enqueue([prepared.job])
    assert not ledger.rows.exists()
    drain()
    row = ledger.row(prepared.job.id)
    assert (row.state, row.result, row.alias) == ("succeeded", "1", "default")
    assert ledger.counted() == 1
