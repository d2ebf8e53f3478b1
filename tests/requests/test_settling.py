"""A request ends with its job, in the transaction of the ledger, and opens again with it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone, translation

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Enqueued
from django_jobqueue.requests import changes, estimates
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.requests.outcome import Outcome, Partial, told
from django_jobqueue.signals import job_settled
from django_jobqueue.testing import drain
from tests.project import asked_tasks
from tests.support.ledger import trim_all

from .conftest import JSON, ask


def ended(user: User, task: Any, *args: Any) -> JobRequest:
    row = ask(user, task, *args)
    drain()
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("It is done.", "It is done."),
        (None, ""),
        (7, "7"),
        (True, ""),
        ([1, 2], ""),
        ({"key": "value"}, ""),
        (dict(Outcome(text="x")), "x"),
        (dict(Partial(3, 3)), "3 of 3 done"),
    ],
)
def test_what_a_task_returns_is_told(engine: Engine, ada: User, value: Any, text: str) -> None:
    row = ended(ada, asked_tasks.answer, value)
    assert (row.state, row.result_text, row.error_text) == ("succeeded", text, "")
    assert row.finished_at == Enqueued.objects.get(pk=str(row.job_id)).finished_at


def test_a_part_is_an_end_of_its_own(engine: Engine, ada: User) -> None:
    row = ended(ada, asked_tasks.grade, 100, ["a", "b", "c"])
    assert (row.state, row.result_text) == ("partly", "97 of 100 done")
    assert row.failures == ["a", "b", "c"]


def test_a_failure_tells_no_secrets(engine: Engine, ada: User) -> None:
    row = ended(ada, asked_tasks.break_down, "the password")
    assert row.state == "failed"
    assert row.error_text.startswith("Something went wrong.")


def test_a_task_may_say_why_it_fails_in_the_language_of_who_asked(
    engine: Engine, ada: User
) -> None:
    with translation.override("de"):
        row = ask(ada, asked_tasks.refuse)
    assert row.language == "de"
    drain()
    row.refresh_from_db()
    assert (row.state, row.error_text) == ("failed", "Nein")


@pytest.mark.parametrize(
    "value",
    [
        "a\x00b",
        {"jobqueue_outcome": "done", "url": "/" + "x" * 3000, "file": "y" * 600},
        {"jobqueue_outcome": "partly", "failures": ["\x00", "\u202e"]},
    ],
)
def test_what_a_database_refuses_keeps_no_request_open(
    engine: Engine, ada: User, value: Any
) -> None:
    row = ended(ada, asked_tasks.answer, value)
    assert row.is_final
    assert "\x00" not in row.result_text + "".join(row.failures)
    assert (row.result_url, row.file.name) == ("", "")


def test_a_receiver_that_raises_keeps_the_request_open(engine: Engine, ada: User) -> None:
    """Request and row end together or not at all."""

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("not now")

    row = ask(ada, asked_tasks.say)
    job_settled.connect(refuse)
    try:
        drain()
    finally:
        job_settled.disconnect(refuse)
    row.refresh_from_db()
    assert (row.state, Enqueued.objects.get().state) == ("open", "open")


def test_a_queued_request_is_cancelled_at_once(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    """Without any worker."""
    answer = client.post(f"/requests/{asked.public_id}/cancel/", follow=True)
    assert "It is being cancelled." in answer.content.decode()
    assert "It was cancelled." in answer.content.decode()
    asked.refresh_from_db()
    assert (asked.state, asked.error_text) == ("cancelled", "It was cancelled.")
    assert engine.inspector.count(State.CANCELLED) == 1
    answer = client.post(f"/requests/{asked.public_id}/cancel/", headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "cancelled")


def test_a_running_request_is_told_to_end(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    engine.claims.claim(Slot("worker-1", "0.0"), ["default"])
    client.post(f"/requests/{asked.public_id}/cancel/")
    page = client.get(f"/requests/{asked.public_id}/").content.decode()
    assert "Being cancelled" in page
    assert JobRequest.objects.get().state == "open"


def test_a_request_is_cancelled_that_redis_never_got(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    engine.client.redis.flushdb()
    engine.client.attach()
    client.post(f"/requests/{asked.public_id}/cancel/")
    asked.refresh_from_db()
    assert asked.state == "cancelled"
    assert drain() == 0


@pytest.mark.parametrize("view", ["cancel", "retry"])
def test_a_change_waits_for_redis(
    engine: Engine, client: Client, asked: JobRequest, settings: Any, view: str
) -> None:
    """It is refused, and nothing is changed."""
    if view == "retry":
        drain()
        JobRequest.objects.update(state="failed")
    before = JobRequest.objects.values("state", "finished_at", "withdrawn").get()
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}
    answer = client.post(f"/requests/{asked.public_id}/{view}/", follow=True)
    assert "not possible at the moment" in answer.content.decode()
    answer = client.post(f"/requests/{asked.public_id}/{view}/", headers=JSON)
    assert answer.status_code == 503
    assert JobRequest.objects.values("state", "finished_at", "withdrawn").get() == before


def test_a_failed_request_is_tried_again(engine: Engine, client: Client, ada: User) -> None:
    row = ended(ada, asked_tasks.break_down, "x")
    changes.note_seen(row)
    JobRequest.objects.update(notified_at=timezone.now(), mail_state="sent")
    answer = client.post(f"/requests/{row.public_id}/retry/", follow=True)
    assert "It is tried again." in answer.content.decode()
    row.refresh_from_db()
    assert (row.state, row.error_text, row.mail_state) == ("open", "", "none")
    assert (row.finished_at, row.seen_at, row.notified_at) == (None, None, None)
    assert engine.inspector.count(State.QUEUED) == 1
    drain()
    row.refresh_from_db()
    assert row.state == "failed"


@pytest.mark.parametrize("end", ["open", "succeeded"])
def test_only_what_did_not_succeed_is_tried_again(
    engine: Engine, client: Client, asked: JobRequest, end: str
) -> None:
    if end == "succeeded":
        drain()
    answer = client.post(f"/requests/{asked.public_id}/retry/", headers=JSON)
    assert answer.status_code == 409
    asked.refresh_from_db()
    assert asked.state == end


def test_a_request_without_its_row_is_not_tried_again(
    engine: Engine, client: Client, ada: User
) -> None:
    row = ended(ada, asked_tasks.break_down, "x")
    engine.jobs.delete(str(row.job_id))
    Enqueued.objects.all().delete()
    answer = client.post(f"/requests/{row.public_id}/retry/", follow=True)
    assert "It can’t be tried again." in answer.content.decode()
    row.refresh_from_db()
    assert row.state == "failed"


def test_a_retry_counts_as_an_open_request(
    engine: Engine, client: Client, ada: User, settings: Any
) -> None:
    row = ended(ada, asked_tasks.break_down, "x")
    ask(ada, asked_tasks.say)
    settings.JOBQUEUE_REQUESTS = {"OPEN_REQUESTS": 1}
    assert client.post(f"/requests/{row.public_id}/retry/").status_code == 429
    JobRequest.objects.filter(state="open").delete()
    assert client.post(f"/requests/{row.public_id}/retry/").status_code == 303


def test_a_retried_export_has_one_file(engine: Engine, client: Client, ada: User) -> None:
    row = ended(ada, asked_tasks.export, "a.csv", "1;2")
    first = str(row.file.name)
    JobRequest.objects.update(state="partly")
    assert changes.retry(row)
    assert not default_storage.exists(first)
    drain()
    row.refresh_from_db()
    assert row.file.name != first
    assert default_storage.exists(str(row.file.name))


# ── Several requests that share a job ────────────────────────────────────────────────────────


@pytest.fixture
def shared(asked: JobRequest, bob: User) -> JobRequest:
    """A request of Bob's for the job of Ada's."""
    return JobRequest.objects.create(
        owner=bob,
        task=asked.task,
        title="the same",
        alias=asked.alias,
        queue=asked.queue,
        job_id=asked.job_id,
    )


def test_all_requests_of_a_job_end_with_it(asked: JobRequest, shared: JobRequest) -> None:
    drain()
    assert set(JobRequest.objects.values_list("state", "result_text")) == {("succeeded", "hello")}


def test_a_job_goes_on_until_the_last_one_leaves(
    engine: Engine, asked: JobRequest, shared: JobRequest
) -> None:
    assert changes.cancel(asked)
    assert engine.inspector.count(State.QUEUED) == 1
    assert states() == ["cancelled", "open"]
    assert changes.cancel(shared)
    assert engine.inspector.count(State.CANCELLED) == 1
    assert states() == ["cancelled", "cancelled"]


def test_who_has_left_is_not_called_back(
    engine: Engine, asked: JobRequest, shared: JobRequest
) -> None:
    changes.cancel(asked)
    changes.cancel(shared)
    assert changes.retry(shared)
    assert states() == ["cancelled", "open"]
    assert changes.retry(asked)  # and joins again
    assert states() == ["open", "open"]
    assert engine.inspector.count(State.QUEUED) == 1
    drain()
    assert states() == ["succeeded", "succeeded"]


def test_who_joins_again_does_not_hurry_a_job_that_waits_for_its_time(
    engine: Engine, ada: User, bob: User
) -> None:
    row = ask(ada, asked_tasks.say.using(run_after=timedelta(days=1)))
    other = joined(row, bob)
    assert changes.cancel(other)
    assert changes.retry(other)
    assert states() == ["open", "open"]
    assert engine.inspector.count(State.SCHEDULED) == 1


def test_who_has_left_gets_the_result_of_a_job_that_has_succeeded_since(
    engine: Engine, ada: User, bob: User
) -> None:
    """And the one who stayed keeps result and file."""
    row = ask(ada, asked_tasks.export, "a.csv", "1;2")
    other = joined(row, bob)
    changes.cancel(other)
    drain()
    assert states() == ["succeeded", "cancelled"]
    (kept,) = JobRequest.objects.exclude(file="")

    assert changes.retry(other)

    assert states() == ["succeeded", "succeeded"]
    assert engine.inspector.count(State.SUCCEEDED) == 1
    assert JobRequest.objects.get(pk=row.pk).finished_at == kept.finished_at
    assert list(JobRequest.objects.values_list("file")) == [(kept.file.name,)] * 2
    assert default_storage.exists(str(kept.file.name))


@pytest.mark.parametrize("is_trimmed", [False, True])
def test_request_that_is_open_after_its_job_ends_when_it_is_cancelled(
    engine: Engine, asked: JobRequest, is_trimmed: bool
) -> None:
    drain()
    JobRequest.objects.update(state="open", finished_at=None)
    if is_trimmed:
        trim_all(engine)
    assert changes.cancel(asked)
    assert states() == ["succeeded"]


def joined(row: JobRequest, person: User) -> JobRequest:
    """Return another person's request for the same job."""
    other = JobRequest.objects.get(pk=row.pk)
    other.pk, other.public_id, other.owner = None, f"of-{person.username}", person
    other.save()
    return other


def states() -> list[str]:
    return list(JobRequest.objects.order_by("pk").values_list("state", flat=True))


# ── Words of a task ──────────────────────────────────────────────────────────────────────────


def test_outcomes_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="give a path such as"):
        Outcome(url="javascript:alert(1)")
    with pytest.raises(ValueError, match="0 <= done <= total"):
        Partial(4, 3)


@pytest.mark.parametrize(
    "value",
    [
        {"jobqueue_outcome": "partly", "done": "x", "total": None, "failures": None},
        {"jobqueue_outcome": "done", "text": None},
        {"jobqueue_outcome": "partly", "failures": "abc"},
        {"jobqueue_outcome": "partly", "failures": 7},
    ],
)
def test_a_damaged_outcome_raises_nothing(value: Any) -> None:
    """A receiver that raises would keep the job open for ever."""
    assert told(value).text == ""


def test_the_time_that_it_took_is_counted_from_the_request(engine: Engine, ada: User) -> None:
    row = ask(ada, asked_tasks.say)
    JobRequest.objects.update(created_at=row.created_at - timedelta(seconds=90))
    drain()
    row.refresh_from_db()
    assert row.ended_after == pytest.approx(90, abs=5)


def test_after_a_retry_the_time_counts_from_that(engine: Engine, client: Client, ada: User) -> None:
    """What it took, how often its page asks, and what others expect of theirs."""
    row = ended(ada, asked_tasks.answer, {"jobqueue_outcome": "partly", "total": 2})
    JobRequest.objects.update(created_at=row.created_at - timedelta(days=1))
    url = f"/requests/{row.public_id}/"
    found = client.post(f"{url}retry/", headers=JSON).json()
    assert (found["done"], found["elapsed"] < 30) == (False, True)
    assert client.get(url, headers=JSON).headers["Retry-After"] == "1"
    drain()
    row.refresh_from_db()
    assert row.ended_after == pytest.approx(0, abs=30)
    estimates.forget()
    assert estimates.expected(row.task) == pytest.approx(0, abs=30)


def test_retry_that_finds_an_end_took_no_time(engine: Engine, ada: User) -> None:
    """Who joins again after the end waited from the request on: no time is negative."""
    row = ask(ada, asked_tasks.say)
    JobRequest.objects.update(created_at=row.created_at - timedelta(seconds=90))
    drain()
    JobRequest.objects.update(reopened_at=timezone.now() + timedelta(hours=1))
    row.refresh_from_db()
    assert row.ended_after == pytest.approx(90, abs=5)
    estimates.forget()
    assert estimates.expected(row.task) == pytest.approx(90, abs=5)


def test_retry_after_the_ledger_has_forgotten_the_job_ends_the_request(
    engine: Engine, ada: User
) -> None:
    """The run adds a row anew, which opens the request as a kept one would have."""
    row = ask(ada, asked_tasks.break_down, "x")
    drain()
    row.refresh_from_db()
    first, job_id = row.finished_at, row.job_id
    assert first
    assert job_id
    Enqueued.objects.filter(pk=job_id).delete()
    assert changes.retry(row)
    drain()
    row.refresh_from_db()
    assert row.is_final
    assert row.finished_at
    assert row.finished_at > first
