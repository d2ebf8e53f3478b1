"""People who ask for the same: one unique job does it for all of them."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger import duplicates
from django_jobqueue.ledger.reconciling import Reconciliation
from django_jobqueue.models import Enqueued
from django_jobqueue.requests import changes
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.waiting import until_final
from django_jobqueue.testing import drain
from tests.project import asked_tasks
from tests.support.places import FAILED, claimed, finish

from .conftest import ask


@pytest.fixture
def both(engine: Engine, ada: User, bob: User) -> tuple[JobRequest, JobRequest]:
    """Ada's and Bob's requests, of which Bob's came later."""
    rows = ask(ada, asked_tasks.publish, 7), ask(bob, asked_tasks.publish, 7)
    return rows


def test_request_of_a_duplicate_follows(both: tuple[JobRequest, JobRequest]) -> None:
    first, second = both
    second.refresh_from_db()
    assert str(second.job_id) == str(first.job_id)
    assert Enqueued.objects.get(state="duplicate").reason == str(first.job_id)
    assert drain() == 1
    for row in both:
        row.refresh_from_db()
        assert (row.state, row.result_text) == ("succeeded", "Page 7 is published.")


def test_job_is_cancelled_when_the_last_one_leaves(
    engine: Engine, both: tuple[JobRequest, JobRequest]
) -> None:
    first, second = both
    assert changes.cancel(first)
    assert engine.inspector.job(str(first.job_id)).state is State.QUEUED
    assert changes.cancel(second)
    assert engine.inspector.job(str(first.job_id)).state is State.CANCELLED


def refuse(*args: Any, **given: Any) -> None:
    raise ValueError("on purpose")


@pytest.mark.parametrize("ends", ["before", "after"])
def test_late_follower_ends_with_its_job(
    engine: Engine, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The row could not be closed at once; the job may have ended by then."""
    first = ask(ada, asked_tasks.publish, 7)
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "close", refuse)
        second = ask(bob, asked_tasks.publish, 7)
    if ends == "before":
        drain()
    Reconciliation(engine).run_all()
    if ends == "after":
        drain()
    second.refresh_from_db()
    assert (str(second.job_id), second.state) == (str(first.job_id), "succeeded")


def test_who_leaves_before_it_follows_leaves_the_job_to_others(
    engine: Engine, ada: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(ada, asked_tasks.publish, 7)
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "close", refuse)
        second = ask(bob, asked_tasks.publish, 7)
    assert changes.cancel(second)
    assert engine.inspector.job(str(first.job_id)).state is State.QUEUED
    Reconciliation(engine).run_all()
    second.refresh_from_db()
    assert (second.state, second.withdrawn) == ("cancelled", True)
    assert str(second.job_id) == str(first.job_id)


def test_running_job_is_shared_too(
    engine: Engine, both: tuple[JobRequest, JobRequest], ada: User
) -> None:
    claimed(engine, Slot("w", "0"))
    third = ask(ada, asked_tasks.publish, 7)
    third.refresh_from_db()
    assert str(third.job_id) == str(both[0].job_id)


def failed(engine: Engine, user: User) -> JobRequest:
    found = ask(user, asked_tasks.publish, 7)
    slot = Slot("w", "0")
    finish(engine, slot, claimed(engine, slot), FAILED)
    Reconciliation(engine).run_all()
    return found


def test_retry_joins_who_has_asked_since(engine: Engine, ada: User, bob: User) -> None:
    """The other job does the same."""
    first = failed(engine, ada)
    second = ask(bob, asked_tasks.publish, 7)
    assert changes.retry(first)
    first.refresh_from_db()
    assert (str(first.job_id), first.state) == (str(second.job_id), "open")
    assert drain() == 1
    first.refresh_from_db()
    assert first.state == "succeeded"


def test_retry_joins_no_job_that_the_ledger_does_not_hold(engine: Engine, ada: User) -> None:
    first = failed(engine, ada)
    asked_tasks.publish.using(durable=False).enqueue(7)
    assert not changes.retry(first)
    first.refresh_from_db()
    assert first.state == "failed"


def test_who_waits_sees_the_end_of_the_other_job(both: tuple[JobRequest, JobRequest]) -> None:
    second = both[1]
    drain()
    assert until_final(second, 10)
    assert second.state == "succeeded"
