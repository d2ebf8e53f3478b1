"""However a durable job ends or goes: trim and reconcile revive nothing and lose nothing."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from django_jobqueue import paths
from django_jobqueue.diagnosis.explanation import explain
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.engine.unsettled import Note
from django_jobqueue.exceptions import JobNotFound
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.run import RunResult
from django_jobqueue.jobs.states import Outcome, State
from django_jobqueue.ledger import outbox, rounds
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.ledger.settling import settle
from django_jobqueue.ledger.signatures import re_sign_rows
from django_jobqueue.models import Enqueued
from django_jobqueue.signals import job_reopened, job_settled
from django_jobqueue.testing import drain
from tests.support.ledger import Ledger, ids_in, tasks, trim_all
from tests.support.places import REAP, claimed
from tests.support.processes import until

Way = Callable[[Ledger], str]
WAYS: dict[str, tuple[Way, tuple[str, str, str | None]]] = {}


def way(state: str, reason: str = "", result: str | None = None) -> Callable[[Way], Way]:
    """Register a way to end: it returns the job's id, and says what the row is to hold."""

    def register(function: Way) -> Way:
        WAYS[function.__name__] = function, (state, reason, result)
        return function

    return register


def lease_ends(engine: Engine, job: Job) -> None:
    engine.client.redis.zadd(engine.client.keys("leases", job.queue), {job.id: 1})
    engine.queues.reap(**REAP)


def run_out(ledger: Ledger, job_id: str) -> None:
    """Run what is there until the job has ended."""
    drain()
    until(lambda: ledger.engine.inspector.job(job_id).state.is_final or drain())


@way("succeeded", result="3")
def succeeds(ledger: Ledger) -> str:
    result = tasks.add.enqueue(1, 2)
    drain()
    return str(result.id)


@way("succeeded", result="2")
def succeeds_after_a_retry(ledger: Ledger) -> str:
    result = tasks.again.enqueue()
    run_out(ledger, result.id)
    return str(result.id)


@way("failed", "exception")
def fails(ledger: Ledger) -> str:
    result = tasks.fail.enqueue()
    drain()
    return str(result.id)


@way("failed", "exception")
def returns_what_is_no_json(ledger: Ledger) -> str:
    result = tasks.unfit.enqueue()
    drain()
    return str(result.id)


@way("cancelled", "by_task")
def gives_up(ledger: Ledger) -> str:
    result = tasks.give_up.enqueue()
    drain()
    return str(result.id)


@way("cancelled", "cancelled")
def cancelled_while_queued(ledger: Ledger) -> str:
    result = tasks.add.enqueue(1, 2)
    assert result.cancel()
    return str(result.id)


@way("cancelled", "expired")
def not_started_in_time(ledger: Ledger) -> str:
    """Its time counts from its row."""
    result = tasks.add.using(expires=timedelta(milliseconds=1)).enqueue(1, 2)
    stored = ledger.engine.inspector.job(result.id)
    row = ledger.row(result.id)
    assert stored.expires == str(int(row.created_at.timestamp() * 1000) + 1)
    until(lambda: timezone.now().timestamp() * 1000 > int(stored.expires) + 2)
    drain()
    return str(result.id)


@way("cancelled", "cancelled")
def cancelled_while_it_ran_and_was_lost(ledger: Ledger) -> str:
    result = tasks.add.enqueue(1, 2)
    job = claimed(ledger.engine, Slot("w", "0"))
    result.cancel()
    lease_ends(ledger.engine, job)
    return str(result.id)


@way("failed", "lost")
def lost_too_often(ledger: Ledger) -> str:
    result = tasks.add.using(max_recoveries=0).enqueue(1, 2)
    lease_ends(ledger.engine, claimed(ledger.engine, Slot("w", "0")))
    return str(result.id)


@way("failed", "killed_9")
def process_was_killed(ledger: Ledger) -> str:
    result = tasks.add.using(max_recoveries=0).enqueue(1, 2)
    claimed(ledger.engine, Slot("w", "0"))
    ledger.engine.leases.release_slot(Slot("w", "0"), lost=True, reason="killed_9")
    return str(result.id)


@way("failed", "timed_out")
def killed_for_its_time(ledger: Ledger) -> str:
    """The supervisor finishes the run; it knows no rows."""
    result = tasks.add.enqueue(1, 2)
    slot = Slot("w", "0")
    job = claimed(ledger.engine, slot)
    end = RunResult(Outcome.FAILED, reason="timed_out")
    ledger.engine.claims.finish(slot, job, end, [], untold=True)
    return str(result.id)


@way("succeeded", result='"by others"')
def finished_by_a_client_that_knows_no_rows(ledger: Ledger) -> str:
    result = tasks.add.enqueue(1, 2)
    slot = Slot("w", "0")
    end = RunResult(Outcome.SUCCEEDED, value=b'"by others"')
    ledger.engine.claims.finish(slot, claimed(ledger.engine, slot), end, [])
    return str(result.id)


@way("cancelled", "deleted")
def deleted(ledger: Ledger) -> str:
    result = tasks.add.enqueue(1, 2)
    assert ledger.engine.jobs.delete(result.id)
    return str(result.id)


@way("failed", "damaged")
def damaged(ledger: Ledger) -> str:
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    engine.client.redis.hset(engine.client.keys("job", result.id), "state", "nonsense")
    drain()
    return str(result.id)


@pytest.mark.parametrize("name", WAYS)
def test_end_is_written_once(ledger: Ledger, name: str) -> None:
    """And told once, in the transaction that writes it."""
    end, wanted = WAYS[name]
    told: list[tuple[str, str]] = []

    def note(row: Enqueued, **_: Any) -> None:
        told.append((str(row.job_id), row.state))

    job_settled.connect(note, sender=Enqueued)
    try:
        job_id = end(ledger)
        trim_all(ledger.engine)
        ledger.reconcile()
        trim_all(ledger.engine)  # the value that the row has now
        ledger.reconcile()
    finally:
        job_settled.disconnect(note, sender=Enqueued)

    row = ledger.row(job_id)
    assert (row.state, row.reason, row.result) == wanted
    assert row.finished_at is not None
    assert told == [(job_id, wanted[0])]
    assert ids_in(ledger.engine) == set()
    assert ledger.engine.unsettled.count() == 0


@pytest.mark.parametrize("name", WAYS)
def test_each_end_can_be_deleted(ledger: Ledger, name: str) -> None:
    """At once, and the row tells it nevertheless."""
    end, wanted = WAYS[name]
    job_id = end(ledger)
    with suppress(JobNotFound):  # of what was deleted already
        assert rounds.delete(ledger.engine, job_id) is None
    assert ids_in(ledger.engine) == set()
    ledger.reconcile()
    row = ledger.row(job_id)
    assert (row.state, row.reason, row.result) == wanted
    assert ids_in(ledger.engine) == set()


@pytest.mark.parametrize("name", WAYS)
def test_each_end_can_be_requeued(ledger: Ledger, name: str) -> None:
    """While Redis still has the job, and after it was trimmed: another round, told again."""
    end, (state, _, _) = WAYS[name]
    for trimmed in (False, True):
        job_id = end(ledger)
        if trimmed:
            trim_all(ledger.engine)
        reopened: list[int] = []

        def note(row: Enqueued, noted: list[int] = reopened, **_: Any) -> None:
            noted.append(row.round)

        job_reopened.connect(note, sender=Enqueued)
        try:
            assert rounds.requeue(ledger.engine, job_id) is State.QUEUED
        finally:
            job_reopened.disconnect(note, sender=Enqueued)

        row = ledger.row(job_id)
        assert (row.state, row.round, row.result, row.reason) == ("open", 2, None, "")
        assert reopened == [2]
        assert ledger.engine.inspector.job(job_id).state is State.QUEUED
        assert ledger.engine.inspector.job(job_id).round == 2
        run_out(ledger, job_id)
        ledger.reconcile()
        assert ledger.row(job_id).state in (
            state if name in ("fails", "gives_up", "returns_what_is_no_json") else "succeeded",
        )
        assert ledger.row(job_id).round == 2
        trim_all(ledger.engine)
        ledger.reconcile()
        assert ids_in(ledger.engine) == set()


def test_walk_reads_the_notes_before_it_stores(ledger: Ledger) -> None:
    """A job that was cancelled and trimmed since the notes were last read stays cancelled."""
    result = tasks.add.enqueue(1, 2)
    result.cancel()
    trim_all(ledger.engine)
    reconciliation = Reconciliation(ledger.engine)
    reconciliation.walk()
    assert (reconciliation.report.settled, reconciliation.report.stored) == (1, 0)
    assert ledger.row(result.id).state == "cancelled"
    assert ids_in(ledger.engine) == set()


@pytest.mark.parametrize("state", [one for one in State if not one.is_final])
def test_what_is_no_end_is_not_written(ledger: Ledger, state: State) -> None:
    """A row of such a state could be neither run nor settled."""
    job_id = tasks.add.enqueue(1, 2).id
    with pytest.raises(ValueError, match="has not ended"):
        settle(ledger.engine, Note(job_id, 1, state, "", 0))
    drain()
    assert ledger.row(job_id).state == "succeeded"


def test_flushed_while_queued(ledger: Ledger) -> None:
    """The job is stored again, under its id, and runs once."""
    first, second = tasks.add.enqueue(1, 2), tasks.add.enqueue(3, 4)
    ledger.engine.client.redis.flushall()
    assert ledger.reconcile().report.stored == 2
    assert drain() == 2
    first.refresh()
    second.refresh()
    assert (first.return_value, second.return_value) == (3, 7)
    assert ledger.reconcile().report.stored == 0


def test_flushed_after_its_end(ledger: Ledger) -> None:
    """What has ended stays ended."""
    result = tasks.add.enqueue(1, 2)
    drain()
    ledger.engine.client.redis.flushall()
    assert ledger.reconcile().report.stored == 0
    assert ledger.row(result.id).state == "succeeded"


def test_flushed_while_it_runs(ledger: Ledger) -> None:
    """The row of the run that was lost is taken over by the next one."""
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    job = claimed(engine, Slot("w", "0"))
    engine.client.redis.flushall()
    ledger.reconcile()
    drain()
    assert ledger.row(result.id).state == "succeeded"
    assert ledger.row(result.id).fence != job.fence


def test_record_that_was_lost_in_part(ledger: Ledger) -> None:
    """A job whose record is damaged is stored anew from its row."""
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    engine.client.redis.delete(engine.client.keys("job", result.id))
    drain()  # finds an id without a record: failed, damaged
    ledger.reconcile()
    drain()
    result.refresh()
    assert result.return_value == 3
    assert ledger.row(result.id).state == "succeeded"


@pytest.mark.parametrize("round", [1, 2])
@pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED])
def test_store_that_broke_is_completed(ledger: Ledger, state: State, round: int) -> None:
    """A record that has no index yet, as that of a call that was refused half-way."""
    delay = timedelta(hours=1) if state is State.SCHEDULED else None
    result, engine = tasks.add.using(run_after=delay).enqueue(1, 2), ledger.engine
    ledger.rows.update(accepted_at=None, round=round)
    redis, keys = engine.client.redis, engine.client.keys
    redis.hset(keys("job", result.id), "round", round)
    index = keys(state, "default")
    at = redis.zscore(index, result.id)
    assert at
    assert redis.zrem(index, result.id) == 1
    rounds.store(engine, ledger.row(result.id))
    stored = redis.zscore(index, result.id)
    assert stored
    assert state is State.QUEUED or abs(stored - at) < 60_000, "due when it was to be due"
    if delay:
        rounds.cancel(engine, result.id)
    assert drain() == (0 if delay else 1)
    ledger.reconcile()
    assert ledger.row(result.id).state == ("cancelled" if delay else "succeeded")


def test_final_rows_are_kept_for_their_retention(ledger: Ledger, settings: Any) -> None:
    tasks.add.enqueue(1, 2)
    drain()
    waiting = tasks.add.enqueue(3, 4)
    assert ledger.reconcile().report.purged == 0
    settings.TASKS["default"]["OPTIONS"]["LEDGER_RETENTION"] = 0
    settings.TASKS = {**settings.TASKS}
    assert ledger.reconcile().report.purged == 1
    assert [str(row.job_id) for row in ledger.rows] == [waiting.id]


def test_job_whose_row_was_purged_can_be_requeued(ledger: Ledger) -> None:
    """Its run adds a row."""
    result = tasks.add.enqueue(1, 2)
    drain()
    ledger.rows.delete()
    assert rounds.requeue(ledger.engine, result.id) is State.QUEUED
    drain()
    assert (ledger.row(result.id).round, ledger.row(result.id).state) == (2, "succeeded")


def test_cancel_of_what_redis_does_not_hold(ledger: Ledger) -> None:
    """It is cancelled in the ledger, and never stored."""
    result = tasks.add.enqueue(1, 2)
    ledger.engine.client.redis.flushall()
    assert result.cancel()
    assert (ledger.row(result.id).state, ledger.row(result.id).reason) == ("cancelled", "cancelled")
    assert ledger.reconcile().report.stored == 0
    assert result.cancel()  # again: it says so


def test_row_that_can_not_be_read_is_no_reason_to_stop(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = tasks.add.enqueue(1, 2), tasks.add.enqueue(3, 4)
    ledger.rows.filter(pk=one.id).update(record="nonsense")
    ledger.engine.client.redis.flushall()
    assert ledger.reconcile().report.stored == 1
    assert ids_in(ledger.engine) == {two.id}
    assert f"Job {one.id} can't be stored from its row" in caplog.text


@pytest.mark.parametrize("kind", ["sqlite"])
def test_rows_that_can_not_be_read_hold_up_no_others(ledger: Ledger) -> None:
    """However many they are."""
    tasks.add.enqueue_many([(n, n) for n in range(CHUNK)])
    ledger.rows.update(record="nonsense")
    result = tasks.add.enqueue(1, 2)
    ledger.rows.update(accepted_at=None)
    ledger.engine.client.redis.flushall()
    reconciliation = Reconciliation(ledger.engine)
    reconciliation.relay(timedelta(0))
    reconciliation.relay(timedelta(0))
    assert ids_in(ledger.engine) == {result.id}


def test_fresh_process_finds_rows_that_nothing_tells_of(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No task and no setting, and Redis has lost all that it knew."""
    one, two = (tasks.plain.using(durable=True).enqueue() for _ in range(2))
    monkeypatch.setattr(paths, "_tasks", {one.task.module_path: tasks.plain})
    assert not outbox.is_declared("default", ledger.engine.options)
    ledger.engine.client.redis.flushall()
    assert rounds.cancel(ledger.engine, one.id) is State.CANCELLED
    assert rounds.requeue(ledger.engine, two.id) is State.QUEUED
    assert ids_in(ledger.engine) == {two.id}
    assert [row.state for row in ledger.rows] == ["cancelled", "open"]
    ledger.engine.client.redis.flushall()
    ledger.rows.update(alias="another")
    with pytest.raises(JobNotFound):
        rounds.requeue(ledger.engine, two.id)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_project_without_the_table_has_no_rows(ledger: Ledger, settings: Any) -> None:
    """It has not migrated, or has no database; the job is unknown."""
    settings.TASKS["default"]["OPTIONS"]["DATABASE"] = "empty"
    settings.TASKS = {**settings.TASKS}
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    for found in (sqlite, {"ENGINE": "django.db.backends.dummy"}):
        connections.settings["empty"] = {**connections.settings["default"], **found}
        try:
            for change in (rounds.cancel, rounds.requeue, explain):
                with pytest.raises(JobNotFound):
                    change(ledger.engine, new_id())
            assert re_sign_rows(ledger.engine) == 0
        finally:
            connections["empty"].close()
            del connections["empty"]
            del connections.settings["empty"]
