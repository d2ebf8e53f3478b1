"""What operators do: reconcile, sign anew, requeue and cancel in the admin."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_jobqueue.ledger.record import job_of
from django_jobqueue.ledger.signatures import re_sign_rows
from django_jobqueue.models import Job
from django_jobqueue.steering.job_action import CANCEL, REQUEUE, apply
from django_jobqueue.testing import drain
from tests.support.ledger import Ledger, tasks, trim_all


def said(*arguments: str) -> str:
    output = io.StringIO()
    call_command("jobqueue", *arguments, stdout=output)
    return output.getvalue()


def test_reconcile_says_what_it_did(ledger: Ledger) -> None:
    tasks.add.enqueue(1, 2)
    tasks.add.enqueue(3, 4).cancel()
    ledger.engine.client.redis.delete(*ledger.engine.client.redis.keys("*job:*"))
    assert "Ends written: 1. Jobs stored: 1. Old rows removed: 0." in said("reconcile")
    assert "Ends written: 0. Jobs stored: 0. Old rows removed: 0." in said("reconcile")
    assert "Left: jobs that wait for Redis: 0, ends for their rows: 0." in said("reconcile")
    ledger.engine.client.redis.flushall()


def test_reconcile_says_what_is_left(ledger: Ledger) -> None:
    """As a job that Redis can't be given."""
    result = tasks.add.enqueue(1, 2)
    ledger.rows.filter(pk=result.id).update(record="{}", accepted_at=None)
    with pytest.raises(CommandError, match="The oldest has waited"):
        said("reconcile")


def test_rows_are_signed_anew(ledger: Ledger, settings: Any) -> None:
    """So a job that is stored again after the old key is gone can be run."""
    result = tasks.add.enqueue(1, 2)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "of tomorrow", [settings.SECRET_KEY]
    assert re_sign_rows(ledger.engine) == 1
    assert re_sign_rows(ledger.engine) == 0
    settings.SECRET_KEY_FALLBACKS = []
    job = job_of(ledger.row(result.id))
    job.open(ledger.engine.signer)
    assert job.args == [1, 2]
    ledger.rows.update(record="{}")
    assert re_sign_rows(ledger.engine) == 0  # what can't be read is left
    ledger.engine.client.redis.flushall()  # its owner is the old key


def test_admin_requeues_and_cancels_durable_jobs(ledger: Ledger) -> None:
    result = tasks.fail.enqueue()
    drain()
    row = Job.of("default", ledger.engine.inspector.job(result.id))
    assert len(apply(REQUEUE, [row]).done) == 1
    assert ledger.row(result.id).round == 2
    row = Job.of("default", ledger.engine.inspector.job(result.id))
    assert len(apply(CANCEL, [row]).done) == 1
    ledger.reconcile()
    assert (ledger.row(result.id).state, ledger.row(result.id).round) == ("cancelled", 2)


def test_terminal_requeues_what_redis_has_trimmed(ledger: Ledger) -> None:
    """By its id: the row knows it."""
    result = tasks.add.enqueue(1, 2)
    drain()
    trim_all(ledger.engine)
    with pytest.raises(CommandError, match="1 job no longer exists"):
        said("run-now", result.id)  # it waits for no time
    assert ledger.row(result.id).round == 1
    assert said("requeue", result.id) == "1 job requeued.\n"
    assert ledger.row(result.id).round == 2
    drain()
