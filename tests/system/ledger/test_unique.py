"""Durable unique jobs: the row of a duplicate, and what is stored again when Redis is emptied."""

import json
from typing import Any

import pytest
from django.db import transaction

from django_jobqueue.engine.claims import Slot
from django_jobqueue.exceptions import LockHeld
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import duplicates, rounds
from django_jobqueue.testing import captured_jobs, drain
from tests.support.ledger import DATABASE, Ledger, tasks, trim_all
from tests.support.places import FAILED, claimed, finish
from tests.support.unique import locks


def empty(ledger: Ledger) -> None:
    """Lose all that Redis holds."""
    ledger.engine.client.redis.flushall()
    ledger.engine.client.detach()


def queued(ledger: Ledger) -> int:
    return ledger.engine.inspector.count(State.QUEUED)


def test_row_of_a_duplicate_is_closed(ledger: Ledger) -> None:
    """And tells whose it is; the call's id leads to that job."""
    first, second = tasks.add_once.enqueue(1), tasks.add_once.enqueue(1, 5)
    assert (first.created, second.created, first.id == second.id) == (True, False, False)
    row = ledger.row(second.id)
    assert (row.state, row.reason, row.result) == ("duplicate", first.id, None)
    assert row.finished_at is not None
    assert ledger.row(first.id).state == "open"
    assert drain() == 1
    second.refresh()
    assert second.return_value == 1
    assert ledger.row(second.id).state == "duplicate"
    ledger.reconcile()
    assert queued(ledger) == 0


def test_calls_of_one_transaction(ledger: Ledger) -> None:
    with transaction.atomic(using=DATABASE):
        results = [tasks.add_once.enqueue(1) for _ in range(3)]
        assert [one.created for one in results] == [None] * 3
    assert [one.created for one in results] == [True, False, False]
    assert [ledger.row(one.id).state for one in results] == ["open", "duplicate", "duplicate"]


def test_job_is_stored_again_for_all(ledger: Ledger) -> None:
    """Redis is emptied: one job comes back, and it is unique as before."""
    first = tasks.add_once.enqueue(1)
    tasks.add_once.enqueue(1)
    empty(ledger)
    ledger.reconcile()
    assert queued(ledger) == 1
    assert list(locks(ledger.engine).values()) == [first.id]
    assert tasks.add_once.enqueue(1).created is False
    assert drain() == 1
    assert tasks.add_once.enqueue(1).created is True


def test_relay_stores_one_of_two(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died before it could: a worker finds two rows, and the first wins."""
    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.engine.jobs), "enqueue", lambda *args: [0])
        first, second = tasks.add_once.enqueue(1), tasks.add_once.enqueue(1)
    assert {ledger.row(one.id).accepted_at for one in (first, second)} == {None}
    ledger.reconcile()
    assert queued(ledger) == 1
    assert (ledger.row(first.id).state, ledger.row(second.id).state) == ("open", "duplicate")
    assert ledger.row(first.id).accepted_at is not None


def test_row_that_could_not_be_closed_is_closed_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the first job has ended meanwhile."""

    def refuse(*args: Any, **given: Any) -> None:
        raise ValueError("on purpose")

    first = tasks.add_once.enqueue(1)
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "close", refuse)
        second = tasks.add_once.enqueue(1)
    assert ledger.row(second.id).state == "open"
    assert drain() == 1
    ledger.reconcile()
    row = ledger.row(second.id)
    assert (row.state, row.reason) == ("duplicate", first.id)
    assert queued(ledger) == 0


def test_what_is_not_in_the_ledger_stands_for_nothing_durable(ledger: Ledger) -> None:
    """The call waits in the database until the lock is free, and is stored then."""
    plain = tasks.add_once.using(durable=False).enqueue(1)
    late = tasks.add_once.enqueue(1, 5)
    assert late.created is None
    assert late.is_pending
    ledger.reconcile()
    assert (queued(ledger), ledger.row(late.id).accepted_at) == (1, None)
    assert drain() == 1
    plain.refresh()
    assert plain.return_value == 1
    ledger.reconcile()
    assert drain() == 1
    assert ledger.row(late.id).result == "6"


def test_duplicate_of_a_job_without_a_row_waits_for_it(ledger: Ledger) -> None:
    """A schedule stores a durable job without a row, which its run adds."""
    with captured_jobs() as jobs:
        tasks.add_once.enqueue(1)
    prepared = jobs._prepared[0]
    ledger.rows.all().delete()
    prepared.job.enqueued_at = 0
    ledger.engine.jobs.enqueue([prepared.job])
    second = tasks.add_once.enqueue(1)
    assert (second.created, ledger.row(second.id).state) == (False, "open")
    assert drain() == 1
    ledger.reconcile()
    assert ledger.row(second.id).state == "duplicate"
    assert queued(ledger) == 0


def test_window_counts_from_the_row(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.engine.jobs), "enqueue", lambda *args: [0])
        result = tasks.add_at_times.enqueue(1)
    row = ledger.row(result.id)
    ledger.reconcile()
    (lock,) = locks(ledger.engine).values()
    ends = int(row.created_at.timestamp() * 1000) + 600_000
    assert lock == f"{result.id} {ends}"
    assert json.loads(row.record)["unique"].endswith(f" {ends} kept")


def test_requeue_is_refused_before_the_row_opens(ledger: Ledger) -> None:
    engine, slot = ledger.engine, Slot("w", "0")
    failed = tasks.add_once.enqueue(1)
    finish(engine, slot, claimed(engine, slot), FAILED)
    ledger.reconcile()
    holder = tasks.add_once.enqueue(1)
    with pytest.raises(LockHeld, match=holder.id):
        rounds.requeue(engine, failed.id)
    assert (ledger.row(failed.id).state, ledger.row(failed.id).round) == ("failed", 1)
    assert drain() == 1
    assert rounds.requeue(engine, failed.id) is State.QUEUED
    assert list(locks(engine).values()) == [failed.id]


def test_requeue_of_a_duplicate_is_that_of_its_job(ledger: Ledger) -> None:
    engine = ledger.engine
    first, second = tasks.add_once.enqueue(1), tasks.add_once.enqueue(1)
    assert drain() == 1
    trim_all(engine)
    assert rounds.requeue(engine, second.id) is State.QUEUED
    assert (ledger.row(first.id).round, ledger.row(second.id).state) == (2, "duplicate")
    assert [job.id for job in engine.inspector.page(State.QUEUED, 0, 9)] == [first.id]


def test_requeue_of_a_trimmed_job_meets_its_successor(ledger: Ledger) -> None:
    """The row that was opened for it closes as a duplicate."""
    engine = ledger.engine
    first = tasks.add_once.enqueue(1)
    assert drain() == 1
    trim_all(engine)
    second = tasks.add_once.enqueue(1)
    assert rounds.requeue(engine, first.id) is State.QUEUED
    row = ledger.row(first.id)
    assert (row.state, row.reason, row.round) == ("duplicate", second.id, 2)


def test_latest_arguments_survive_redis(ledger: Ledger) -> None:
    """The row of the job that waits gets them; no call is lost."""
    results = [tasks.add_latest.enqueue(1, n) for n in range(3)]
    assert [one.created for one in results] == [True, False, False]
    assert [ledger.row(one.id).state for one in results] == ["open", "duplicate", "duplicate"]
    empty(ledger)
    ledger.reconcile()
    (job,) = ledger.engine.inspector.page(State.SCHEDULED, 0, 9)
    job = ledger.engine.inspector.job(job.id)
    job.open(ledger.engine.signer)
    assert (job.id, job.args) == (results[0].id, [1, 2])


def test_relay_replaces_too(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tasks.add_latest.enqueue(1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.engine.jobs), "enqueue", lambda *args: [0])
        second = tasks.add_latest.enqueue(1, 2)
    ledger.reconcile()
    assert ledger.row(second.id).state == "duplicate"
    job = ledger.engine.inspector.job(first.id)
    job.open(ledger.engine.signer)
    assert job.args == [1, 2]
