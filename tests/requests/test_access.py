"""Who may see a request, and that nobody else learns that it exists."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.requests import links
from django_jobqueue.requests.models import JobRequest

from .conftest import JSON

GET, POST = ("", "download/"), ("cancel/", "retry/")


@pytest.fixture
def of_eve(engine: Engine, ada: User) -> JobRequest:
    """The request of an anonymous person."""
    Client().post("/ask/anonymous/", {"text": "x", "email": "eve@example.com"})
    return JobRequest.objects.get()


def status(client: Client, row: JobRequest, view: str = "", key: str = "", **given: Any) -> int:
    url = f"/requests/{row.public_id}/{view}" + (f"?key={key}" if key else "")
    method = client.post if view in POST else client.get
    return int(method(url, **given).status_code)


def earlier(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let keys be made at an earlier time."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - by.total_seconds())


@pytest.mark.parametrize("view", [*GET, *POST])
@pytest.mark.parametrize("headers", [{}, JSON, {"hx-request": "true"}])
def test_a_request_of_others_is_not_found(
    asked: JobRequest, bob: User, log_in: Any, view: str, headers: dict[str, str]
) -> None:
    assert status(log_in(bob), asked, view, headers=headers) == 404
    bob.is_superuser = bob.is_staff = True
    bob.save()
    assert status(log_in(bob), asked, view, headers=headers) == 404


def test_nothing_tells_whether_there_is_such_a_request(asked: JobRequest) -> None:
    """Who is not logged in is led to the login either way; a client of the API gets 404."""
    missing = JobRequest(public_id="nothing")
    for row in (asked, missing):
        answer = Client().get(f"/requests/{row.public_id}/")
        assert answer.headers["Location"] == f"/login/?next=/requests/{row.public_id}/"
        assert status(Client(), row, headers=JSON) == 404
        assert status(Client(), row, key="x") == 404


def test_a_request_of_others_is_not_changed(
    asked: JobRequest, bob: User, log_in: Any, engine: Engine
) -> None:
    assert status(log_in(bob), asked, "cancel/") == 404
    assert engine.inspector.count(State.QUEUED) == 1


@pytest.mark.parametrize("view", POST)
def test_a_look_changes_nothing(asked: JobRequest, client: Client, view: str) -> None:
    assert client.get(f"/requests/{asked.public_id}/{view}").status_code == 405


def test_changes_need_the_token_of_the_site(asked: JobRequest, ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert status(client, asked, "cancel/") == 403


def test_a_key_opens_an_anonymous_request(of_eve: JobRequest, client: Client) -> None:
    key = links.new_key(of_eve.public_id)
    assert status(Client(), of_eve, key=key) == 200
    assert status(Client(), of_eve, key=key, headers=JSON) == 200
    assert status(Client(), of_eve, "cancel/", key=key) == 303
    assert status(client, of_eve, key=key) == 200  # whoever is logged in
    assert status(client, of_eve) == 404


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: "x" + key, lambda key: "1:2"])
def test_a_key_that_was_changed_opens_nothing(of_eve: JobRequest, change: Any) -> None:
    assert status(Client(), of_eve, key=change(links.new_key(of_eve.public_id))) == 404


def test_a_key_opens_no_other_request(of_eve: JobRequest, engine: Engine) -> None:
    other = JobRequest.objects.create(title="other", task="a.b", alias="default", queue="default")
    assert status(Client(), other, key=links.new_key(of_eve.public_id)) == 404


def test_a_key_opens_no_request_of_a_user(asked: JobRequest) -> None:
    assert status(Client(), asked, key=links.new_key(asked.public_id)) == 404


def test_an_old_key_is_gone(of_eve: JobRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        earlier(patched, timedelta(days=8))
        key = links.new_key(of_eve.public_id)
    answer = Client().get(f"/requests/{of_eve.public_id}/?key={key}")
    assert answer.status_code == 410
    assert "This link has expired." in answer.content.decode()
    answer = Client().get(f"/requests/{of_eve.public_id}/?key={key}", headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "gone")


def test_a_key_of_a_request_that_was_purged_is_gone(of_eve: JobRequest) -> None:
    key = links.new_key(of_eve.public_id)
    JobRequest.objects.all().delete()
    assert status(Client(), of_eve, key=key) == 410


def test_the_links_of_a_page_are_no_younger_than_the_key_that_opened_it(
    of_eve: JobRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        earlier(patched, timedelta(days=6))
        key = links.new_key(of_eve.public_id)
    page = Client().get(f"/requests/{of_eve.public_id}/?key={key}").content.decode()
    assert page.count("?key=") == page.count(key.replace(":", "%3A")) > 0


def test_a_project_may_let_others_see(
    asked: JobRequest, bob: User, log_in: Any, settings: Any
) -> None:
    settings.JOBQUEUE_REQUESTS = {"MAY_SEE": "tests.requests.test_access.colleague"}
    assert status(log_in(bob), asked) == 200
    assert status(log_in(bob), asked, "cancel/") == 404  # that function lets them only look


def test_others_who_may_see_do_not_learn_the_address(
    asked: JobRequest, bob: User, log_in: Any, settings: Any
) -> None:
    settings.JOBQUEUE_REQUESTS = {"MAY_SEE": "tests.requests.test_access.colleague"}
    page = log_in(bob).get(asked.get_absolute_url()).content.decode()
    assert "ada@example.com" not in page


def test_who_may_only_see_gets_no_key(
    of_eve: JobRequest, bob: User, log_in: Any, settings: Any
) -> None:
    """Else that person could cancel it, and would count as the one who saw the result."""
    settings.JOBQUEUE_REQUESTS = {"MAY_SEE": "tests.requests.test_access.colleague"}
    path = f"/requests/{of_eve.public_id}/"
    assert "key=" not in log_in(bob).get(path).content.decode()
    answer = log_in(bob).get(path, headers={"accept": "application/json"})
    assert "key=" not in answer.content.decode()


def colleague(request: Any, job_request: JobRequest) -> bool:
    return bool(request.user.username == "bob" and request.method == "GET")


def test_a_request_of_a_deleted_user_is_nobodys(
    asked: JobRequest, ada: User, client: Client
) -> None:
    ada.delete()
    asked.refresh_from_db()
    assert asked.owner is None
    assert status(client, asked) in {302, 404}
    assert status(Client(), asked, headers=JSON) == 404
