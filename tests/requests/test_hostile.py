"""What was there once and has gone, and settings that few have: no page is an error."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from django_jobqueue import paths
from django_jobqueue.engine import Engine
from django_jobqueue.models import Enqueued
from django_jobqueue.requests import changes, mail
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.testing import drain
from tests.project import asked_tasks

from .conftest import JSON, ask

ADMIN = "/admin/django_jobqueue_requests/jobrequest/"


def no_alias(settings: Any) -> None:
    """The request's alias has gone from the settings."""
    JobRequest.objects.update(alias="gone")


def no_redis(settings: Any) -> None:
    """Nobody listens at its address."""
    entry = settings.TASKS["default"]
    settings.TASKS = {"default": entry | {"OPTIONS": {"URL": "unix:///no/such/socket"}}}


@pytest.fixture(params=[no_alias, no_redis])
def lose(request: pytest.FixtureRequest, settings: Any) -> Callable[[], None]:
    return lambda: request.param(settings)


@pytest.mark.parametrize("headers", [{}, JSON, {"hx-request": "true"}])
def test_an_open_request_is_shown_by_its_row(
    asked: JobRequest, client: Client, lose: Callable[[], None], headers: dict[str, str]
) -> None:
    lose()
    url = f"/requests/{asked.public_id}/"
    for answer in (client.get(url, headers=headers), client.get("/requests/", headers=headers)):
        assert (answer.status_code, "Say it" in answer.content.decode()) == (200, True)
    assert client.get(url, headers=JSON | {"prefer": "wait=1"}).json()["state"] == "open"
    assert client.get(f"{url}download/").status_code == 404
    for view in ("cancel", "retry"):
        assert client.post(f"{url}{view}/", headers=JSON).status_code in (409, 503)
        assert client.post(f"{url}{view}/", follow=True).status_code == 200
    asked.refresh_from_db()
    assert asked.state == "open"


def test_an_ended_request_is_shown_by_its_row(
    engine: Engine, ada: User, client: Client, lose: Callable[[], None]
) -> None:
    row = ask(ada, asked_tasks.export, "a.csv", "1;2")
    drain()
    JobRequest.objects.update(state="failed")
    lose()
    url = f"/requests/{row.public_id}/"
    assert client.get(url).status_code == client.get(f"{url}download/").status_code == 200
    assert client.post(f"{url}retry/", headers=JSON).status_code == 503
    assert client.post(f"{url}cancel/", headers=JSON).status_code == 409


def test_the_admin_shows_it_and_says_why_nothing_can_be_done(
    asked: JobRequest, admin_client: Client, lose: Callable[[], None]
) -> None:
    lose()
    page = f"{ADMIN}{asked.pk}/change/"
    assert admin_client.get(ADMIN).status_code == admin_client.get(page).status_code == 200
    answer = admin_client.post(f"{ADMIN}{asked.pk}/cancel/", follow=True)
    assert 'class="error"' in answer.content.decode()
    JobRequest.objects.update(state="failed")
    for action in ("retry", "resend"):
        answer = admin_client.post(f"{ADMIN}{asked.pk}/{action}/", follow=True)
        assert answer.status_code == 200


def test_a_submission_needs_no_redis(client: Client, settings: Any) -> None:
    no_redis(settings)
    assert client.post("/ask/say/", {"text": "hello"}, headers=JSON).status_code == 202
    assert client.post("/ask/say/", {"text": "hello"}, follow=True).status_code == 200
    assert Enqueued.objects.filter(state="open", accepted_at=None).count() == 2


def test_a_request_is_tried_again_whose_task_has_gone_from_the_code(
    engine: Engine, ada: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with other code may still know it."""
    row = ask(ada, asked_tasks.break_down, "x")
    drain()
    monkeypatch.delattr(asked_tasks, "break_down")
    for known in (paths._tasks, paths._found):
        monkeypatch.delitem(known, row.task)
    url = f"/requests/{row.public_id}/"
    assert client.post(f"{url}retry/", headers=JSON).status_code == 200
    drain()
    assert client.get(url, headers=JSON).json()["done"] is False
    assert client.post(f"{url}cancel/", headers=JSON).json()["state"] == "cancelled"


def test_times_without_time_zones_are_those_of_the_settings(
    engine: Engine, ada: User, client: Client, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    """Whatever zone is activated for the person who cancels."""
    settings.USE_TZ, settings.TIME_ZONE = False, "America/Chicago"
    settings.JOBQUEUE_REQUESTS = {"WAIT_FOR": 0, "MAIL_DELAY": 0}
    first, second = ask(ada, asked_tasks.say), ask(ada, asked_tasks.say)
    with timezone.override("Asia/Tokyo"):
        assert changes.cancel(first)
        drain()
        drain()
        assert client.get("/requests/").status_code == 200
        assert client.get(second.get_absolute_url(), headers=JSON).json()["elapsed"] < 60
    for row in JobRequest.objects.all():
        assert row.finished_at is not None
        assert timedelta(0) <= row.finished_at - row.created_at < timedelta(minutes=1)
    assert {row.state for row in JobRequest.objects.all()} == {"cancelled", "succeeded"}
    assert (mail.unsent().waiting, len(mailoutbox)) == (0, 2)
