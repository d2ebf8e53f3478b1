"""A durable job gets other arguments: in Redis and in its row, or in neither."""

from typing import Any

from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger.record import job_of
from django_jobqueue.models import Job
from django_jobqueue.steering.editing import edit_and_requeue
from django_jobqueue.steering.job_action import apply, move
from django_jobqueue.testing import drain
from tests.support.ledger import Ledger, tasks
from tests.support.places import Make, claimed


def test_row_is_edited_with_its_job(ledger: Ledger) -> None:
    """What Redis loses is stored again with the new arguments."""
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    engine.jobs.cancel(result.id)
    ledger.reconcile()
    job = engine.inspector.job(result.id)
    job.open(engine.signer)
    assert edit_and_requeue(engine, job, tasks.add, [3], {"b": 4})
    row = ledger.row(result.id)
    assert (row.state, row.round) == ("open", 2)
    assert job_of(row).payload == engine.inspector.job(result.id).payload
    engine.client.redis.flushall()
    ledger.reconcile()
    drain()
    result.refresh()
    assert (result.state, result.return_value) == (State.SUCCEEDED, 7)


def test_row_is_moved_with_its_job(ledger: Ledger) -> None:
    """What Redis loses comes back to the other queue."""
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    row = Job.of("default", engine.inspector.job(result.id))
    assert len(apply(move("other"), [row]).done) == 1
    assert job_of(ledger.row(result.id)).queue == "other"
    engine.client.redis.flushall()
    ledger.reconcile()
    assert engine.inspector.job(result.id).queue == "other"
    drain(queues=["other"])
    result.refresh()
    assert result.return_value == 3


def test_move_of_another_job_asks_no_database(
    ledger: Ledger, make_job: Make, django_assert_num_queries: Any
) -> None:
    row = Job.of("default", ledger.engine.inspector.job(make_job()))
    with django_assert_num_queries(0):
        assert len(apply(move("other"), [row]).done) == 1


def test_row_of_a_job_that_does_not_wait_is_not_moved(ledger: Ledger) -> None:
    """Nor that of a job that Redis does not know."""
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    row = Job.of("default", engine.inspector.job(result.id))
    before = ledger.row(result.id).record
    drain()
    assert apply(move("other"), [row]).refused == {State.SUCCEEDED: 1}
    engine.client.redis.flushall()
    assert apply(move("other"), [row]).missing == 1
    assert ledger.row(result.id).record == before


def test_row_of_a_job_that_runs_stays(ledger: Ledger) -> None:
    result = tasks.add.enqueue(1, 2)
    engine = ledger.engine
    job = engine.inspector.job(result.id)
    job.open(engine.signer)
    before = ledger.row(result.id).record
    run = claimed(engine, Slot("w", "0"))
    assert not edit_and_requeue(engine, job, tasks.add, [3], {"b": 4})
    assert ledger.row(result.id).record == before
    engine.leases.release_slot(Slot("w", "0"), lost=False, reason="")
    assert run.id == job.id
    drain()
    result.refresh()
    assert result.return_value == 3
