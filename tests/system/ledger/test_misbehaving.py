"""Tasks that do to their transaction what they should not: row, Redis and data agree at the end."""

from typing import Any

import pytest
from django.db import connections, transaction

from django_jobqueue.jobs.states import State
from django_jobqueue.testing import drain
from tests.support.ledger import DATABASE, Ledger, ids_in, tasks


def end_of(ledger: Ledger, result: Any) -> tuple[str, int, list[str]]:
    """Return how a job has ended, what is counted, and what the other jobs have returned."""
    row = ledger.row(result.id)
    assert ledger.engine.inspector.job(result.id).state == row.state
    assert not connections[DATABASE].in_atomic_block
    ledger.reconcile()
    drain()
    others = ledger.rows.exclude(pk=row.pk)
    assert {other.state for other in others} <= {"succeeded"}
    assert ids_in(ledger.engine) == {str(row.job_id) for row in ledger.rows}
    return row.state, ledger.counted(), [other.result for other in others]


def misbehave(ledger: Ledger, how: str) -> tuple[str, int, list[str]]:
    result = tasks.count_and_misbehave.enqueue(how)
    drain()
    return end_of(ledger, result)


def test_error_that_the_task_swallows(ledger: Ledger, kind: str) -> None:
    """PostgreSQL goes on only after a rollback; SQLite has rolled back the statement."""
    done = ("succeeded", 1, ["3"]) if kind == "sqlite" else ("failed", 0, [])
    assert misbehave(ledger, "swallow_an_error") == done


@pytest.mark.parametrize("how", ["demand_a_rollback", "close_the_connection"])
def test_transaction_that_can_not_be_committed(ledger: Ledger, how: str) -> None:
    assert misbehave(ledger, how) == ("failed", 0, [])


def test_hook_that_raises_after_the_commit(ledger: Ledger) -> None:
    """The work is done and stays so."""
    assert misbehave(ledger, "raise_in_a_hook") == ("succeeded", 1, ["3"])


def test_part_that_is_rolled_back(ledger: Ledger) -> None:
    """It takes along what was enqueued in it, and no more."""
    assert misbehave(ledger, "roll_a_part_back") == ("succeeded", 1, ["3"])


@pytest.mark.parametrize(
    ("fails", "end"),
    [
        ("inside", ("failed", 0, [])),
        ("after", ("failed", 1, ["3"])),
        ("", ("succeeded", 1, ["3"])),
    ],
)
def test_transaction_of_the_task_itself(
    ledger: Ledger, fails: str, end: tuple[str, int, list[str]]
) -> None:
    """Its own commit decides, whatever becomes of the run after that."""
    result = tasks.enqueue_in_a_transaction.enqueue(fails)
    drain()
    assert end_of(ledger, result) == end


def test_enqueue_in_a_transaction_that_is_lost(ledger: Ledger) -> None:
    """It is refused at once, and nothing is stored."""
    with transaction.atomic(using=DATABASE):
        transaction.set_rollback(True, using=DATABASE)
        with pytest.raises(transaction.TransactionManagementError):
            tasks.add.enqueue(1, 2)
    assert (ledger.rows.count(), ids_in(ledger.engine)) == (0, set())


def test_other_transactions_do_not_hold_up_the_job(ledger: Ledger) -> None:
    """That of another database: the row is committed at once, and so is the job."""
    connections.settings["other"] = {
        **connections.settings[DATABASE],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {},
    }
    try:
        with transaction.atomic(using="other"):
            result = tasks.add.enqueue(1, 2)
            assert ledger.engine.inspector.job(result.id).state is State.QUEUED
            transaction.set_rollback(True, using="other")
        drain()
        assert ledger.row(result.id).state == "succeeded"
    finally:
        connections["other"].close()
        del connections["other"]
        del connections.settings["other"]
