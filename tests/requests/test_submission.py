"""A person asks: the request and its job are stored together, and the answer says where to look."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages import get_messages
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.models import Enqueued
from django_jobqueue.requests import estimates, submit
from django_jobqueue.requests.models import LONGEST_TITLE, JobRequest
from django_jobqueue.requests.views import JobFormView
from django_jobqueue.testing import captured_jobs, drain
from tests.project import asked_tasks
from tests.project.plain import plain
from tests.support.processes import AT_ONCE, seconds_of, takes_less_than

from .conftest import JSON, ask


def said(answer: Any) -> list[str]:
    return [str(one) for one in get_messages(answer.wsgi_request)]


def test_a_form_leads_to_the_page_of_the_request(engine: Engine, client: Client, ada: User) -> None:
    answer = client.post("/ask/say/", {"text": "hello"})
    row = JobRequest.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/requests/{row.public_id}/")
    assert said(answer) == ["“Say it” is on its way."]
    assert (
        "We’ll e-mail you at ada@example.com when it is done. You can close this page."
        in client.get(row.get_absolute_url()).content.decode()
    )
    assert (row.owner, row.address, row.title) == (ada, "", "Say it")
    assert (row.task, row.alias, row.queue) == (
        "tests.project.asked_tasks.say",
        "default",
        "default",
    )
    assert (row.language, row.zone, row.notify) == ("en-us", "America/Chicago", True)
    assert (row.base_url, row.ip) == ("http://testserver/", None)
    assert row.url == f"http://testserver/requests/{row.public_id}/"
    (job,) = engine.inspector.page(State.QUEUED, 0, 10)
    assert job.id == str(row.job_id)
    assert Enqueued.objects.get().job_id == row.job_id


def test_a_function_view_submits_in_one_line(engine: Engine, client: Client) -> None:
    answer = client.post("/ask/function/", {"text": "hello"})
    row = JobRequest.objects.get()
    assert (answer.status_code, row.title) == (303, "Say")
    assert answer.headers["Location"] == row.get_absolute_url()
    assert drain() == 1
    row.refresh_from_db()
    assert row.result_text == "hello"


def test_a_rollback_leaves_neither_request_nor_job(engine: Engine, ada: User) -> None:
    with transaction.atomic():
        ask(ada, asked_tasks.say)
        transaction.set_rollback(True)
    assert (JobRequest.objects.count(), Enqueued.objects.count()) == (0, 0)
    assert engine.inspector.count(State.QUEUED) == 0


def test_a_client_of_the_api_is_told_where_and_when_to_look(engine: Engine, client: Client) -> None:
    answer = client.post("/ask/say/", {"text": "hello"}, headers=JSON)
    row = JobRequest.objects.get()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/requests/{row.public_id}/"
    assert answer.headers["Retry-After"] == "1"
    assert "Prefer" in answer.headers["Vary"]
    found = answer.json()
    assert (found["id"], found["done"], found["state"]) == (row.public_id, False, "queued")
    assert (found["result"], found["error"]) == (None, None)


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", "respond-async"),
        ("respond-async, wait=3", "respond-async, wait=3"),
        ("Respond-Async; foo=1", "respond-async"),
        ("wait=600", None),  # longer than anybody may
        ("wait=", None),
        ("return=minimal", None),
    ],
)
def test_what_a_client_prefers_is_answered(
    engine: Engine, client: Client, ada: User, prefer: str, applied: str | None
) -> None:
    """Inside a transaction nobody waits."""
    with transaction.atomic():
        answer = client.post("/ask/say/", {"text": "x"}, headers=JSON | {"prefer": prefer})
    assert answer.status_code == 202
    assert answer.headers.get("Preference-Applied") == applied


def test_wrong_input_is_told_in_the_form_that_the_client_wants(client: Client) -> None:
    assert "This field is required" in client.post("/ask/say/", {}).content.decode()
    answer = client.post("/ask/say/", {}, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == {"text": ["This field is required."]}
    assert not JobRequest.objects.exists()


def test_who_is_not_logged_in_is_led_to_the_login(transactional_db: None) -> None:
    answer = Client().post("/ask/say/", {"text": "x"})
    assert answer.headers["Location"] == "/login/?next=/ask/say/"


def test_an_anonymous_person_gets_a_link_that_bears_a_key(engine: Engine, ada: User) -> None:
    visitor = Client()
    answer = visitor.post("/ask/anonymous/", {"text": "hello", "email": "eve@example.com"})
    row = JobRequest.objects.get()
    assert (row.owner, row.address, row.notify) == (None, "eve@example.com", True)
    assert answer.headers["Location"].startswith(f"/requests/{row.public_id}/?key=")
    assert visitor.get(answer.headers["Location"]).status_code == 200
    assert row.url.startswith(f"http://testserver/requests/{row.public_id}/?key=")


def test_without_an_address_nothing_is_promised(engine: Engine, ada: User) -> None:
    page = Client().post("/ask/anonymous/", {"text": "hello"}, follow=True).content.decode()
    assert "You can close this page: the work goes on without it." in page
    assert "e-mail" not in page
    assert JobRequest.objects.get().notify is False


def test_a_form_does_not_choose_to_whom_a_users_mail_goes(
    engine: Engine, client: Client, ada: User
) -> None:
    client.post("/ask/anonymous/", {"text": "hello", "email": "eve@example.com"})
    client.post("/ask/function/", {"text": "hello", "email": "eve@example.com"})
    for row in JobRequest.objects.all():
        assert (row.owner, row.address, row.recipient) == (ada, "", "ada@example.com")


@pytest.mark.parametrize("address", ["nobody", "a@b.example\nBcc: c@d.example", "a@b, c@d.example"])
def test_an_address_that_is_none_is_refused(transactional_db: None, address: str) -> None:
    request = RequestFactory().post("/")
    request.user = AnonymousUser()
    with pytest.raises(ValidationError):
        submit(request, asked_tasks.say, address=address)
    assert not JobRequest.objects.exists()


@pytest.mark.parametrize("headers", [{}, JSON])
def test_an_address_that_the_row_can_not_hold_is_a_fault_of_the_form(
    transactional_db: None, headers: dict[str, str]
) -> None:
    """Django's field of a form takes up to 320 characters."""
    address = f"eve@{'.'.join(4 * ['b' * 60])}.example.com"
    answer = Client().post("/ask/anonymous/", {"text": "x", "email": address}, headers=headers)
    assert answer.status_code == (400 if headers else 200)
    assert "Ensure this value has at most 254 characters (it has 259)." in answer.content.decode()
    assert not JobRequest.objects.exists()


def test_a_long_title_is_cut(engine: Engine, client: Client, ada: User) -> None:
    request = RequestFactory().post("/")
    request.user = ada
    submit(request, asked_tasks.say, title="x" * 300)
    title = JobRequest.objects.get().title
    assert (len(title), title[-1]) == (LONGEST_TITLE, "…")


def test_notify_can_be_chosen(engine: Engine, ada: User) -> None:
    request = RequestFactory().post("/")
    request.user = ada
    submit(request, asked_tasks.say, notify=False)
    assert JobRequest.objects.get().notify is False


def test_a_form_view_without_a_task_says_so(ada: User) -> None:
    class Without(JobFormView):
        pass

    view = Without()
    with pytest.raises(ImproperlyConfigured, match="Without has no task"):
        view.get_task()


def test_a_form_view_is_not_atomic_per_request(settings: Any) -> None:
    """Else its job could not be stored before its answer."""
    marked: Any = JobFormView.as_view()
    assert marked._non_atomic_requests == {"default"}


def test_estimates_come_from_the_latest_requests(
    engine: Engine, client: Client, done: JobRequest
) -> None:
    assert done.expected is None
    assert done.finished_at is not None
    JobRequest.objects.update(created_at=done.finished_at - timedelta(seconds=40))
    estimates.forget()
    client.post("/ask/say/", {"text": "again"})
    assert JobRequest.objects.latest("pk").expected == pytest.approx(40.0)


def test_inside_a_transaction_nobody_waits(engine: Engine, ada: User, settings: Any) -> None:
    """The job is stored at its commit."""
    settings.JOBQUEUE_REQUESTS = {"WAIT_FOR": 5}

    def ask_inside() -> None:
        with transaction.atomic():
            ask(ada, asked_tasks.say)

    takes_less_than(AT_ONCE, lambda: seconds_of(ask_inside))


@pytest.mark.parametrize("path", ["/ask/say/", "/ask/function/"])
def test_it_works_with_atomic_requests(
    engine: Engine, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A function view waits for nothing then: its job is stored when it has returned."""
    settings.JOBQUEUE_REQUESTS = {"WAIT_FOR": 0.05}
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert client.post(path, {"text": "x"}).status_code == 303
    row = JobRequest.objects.get()
    assert client.get(row.get_absolute_url()).status_code == 200
    drain()
    assert "x" in client.get(row.get_absolute_url()).content.decode()
    row.refresh_from_db()
    assert (row.state, row.seen_at is None) == ("succeeded", False)


def test_it_works_where_all_views_need_a_login(engine: Engine, ada: User, settings: Any) -> None:
    """A link with a key is enough for its page."""
    needs_login = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, needs_login]
    visitor = Client()
    answer = visitor.post("/ask/anonymous/", {"text": "x", "email": "eve@example.com"})
    url = answer.headers["Location"]
    assert visitor.get(url).status_code == 200
    assert visitor.post(url.replace("/?", "/cancel/?")).status_code == 303
    assert visitor.get("/requests/").headers["Location"].startswith("/login/")
    assert Client().post("/ask/say/", {"text": "x"}).headers["Location"].startswith("/login/")


def test_a_library_task_can_be_asked_for(engine: Engine, ada: User) -> None:
    """One that Django's own decorator has made."""
    row = ask(ada, plain)
    assert drain() == 1
    row.refresh_from_db()
    assert (row.state, row.result_text) == ("succeeded", "plain")


@pytest.mark.django_db
def test_projects_test_with_the_eager_backend(settings: Any) -> None:
    """Inside a TestCase too, where nothing is committed."""
    backend = "django_jobqueue.testing.EagerBackend"
    settings.TASKS = {"default": {"BACKEND": backend, "OPTIONS": {}}}
    ada = User.objects.create_user("ada", "ada@example.com")
    client = Client()
    client.force_login(ada)
    page = client.post("/ask/say/", {"text": "hello"}, follow=True).content.decode()
    assert "hello" in page
    assert JobRequest.objects.get().state == "succeeded"
    answer = client.post("/ask/fail/", headers=JSON)
    assert (answer.status_code, answer.json()["state"]) == (200, "failed")


@pytest.mark.django_db
def test_projects_test_with_captured_jobs(engine: Engine) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    with captured_jobs() as jobs:
        url = client.post("/ask/say/", {"text": "hello"}).headers["Location"]
        assert "Waiting for its turn" in client.get(url).content.decode()
        jobs.run()
        assert "hello" in client.get(url).content.decode()


def test_what_a_submission_costs(engine: Engine, ada: User) -> None:
    """Once the process knows how long such requests take."""
    ask(ada, asked_tasks.say)
    with CaptureQueriesContext(connection) as captured:
        ask(ada, asked_tasks.say)
    own = [one["sql"].split(" ")[0] for one in captured if "django_jobqueue" in one["sql"]]
    assert own == ["SELECT", "INSERT", "INSERT", "UPDATE"]  # limits, ledger, request, stored
