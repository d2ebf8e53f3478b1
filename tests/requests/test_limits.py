"""One person may not ask for too much at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.requests import changes
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.steering import bulk
from django_jobqueue.steering.job_action import REQUEUE
from django_jobqueue.steering.selection import Selection
from django_jobqueue.testing import drain

from .conftest import JSON


def ask(client: Client, **given: Any) -> Any:
    return client.post("/ask/function/", {"text": "x"}, **given)


@pytest.fixture
def limited(engine: Engine, settings: Any) -> None:
    settings.JOBQUEUE_REQUESTS = {
        "WAIT_FOR": 0,
        "SUBMISSIONS_PER_MINUTE": 3,
        "OPEN_REQUESTS": 2,
    }


def test_too_many_open_requests_are_refused_kindly(
    limited: None, engine: Engine, client: Client
) -> None:
    assert [ask(client).status_code for _ in range(3)] == [303, 303, 429]
    answer = ask(client)
    assert "You have 2 requests in progress" in answer.content.decode()
    assert answer.headers["Retry-After"] == "30"
    assert (JobRequest.objects.count(), engine.inspector.count(State.QUEUED)) == (2, 2)


def test_ended_requests_make_room(limited: None, client: Client) -> None:
    ask(client), ask(client)
    drain()
    assert ask(client).status_code == 303


def test_too_many_submissions_a_minute_are_refused_kindly(limited: None, client: Client) -> None:
    for _ in range(3):
        assert ask(client).status_code == 303
        drain()
    answer = ask(client, headers=JSON)
    assert answer.status_code == 429
    assert "3 requests a minute" in answer.json()["error"]["message"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    JobRequest.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert ask(client).status_code == 303


def test_a_retry_counts_as_a_submission(limited: None, client: Client, ada: User) -> None:
    """Else whoever cancels and retries could have mails sent without end."""
    old = timezone.now() - timedelta(hours=1)
    urls = [ask(client).headers["Location"] for _ in range(2)]
    for url in urls:
        client.post(f"{url}cancel/")
    JobRequest.objects.update(created_at=old)
    assert client.post(f"{urls[0]}retry/").status_code == 303
    assert client.post(f"{urls[0]}retry/").status_code == 303  # pressed twice: it leads back
    client.post(f"{urls[0]}cancel/")
    answer = client.post(f"{urls[0]}retry/")
    assert (answer.status_code, 55 < int(answer.headers["Retry-After"]) <= 60) == (429, True)
    assert client.post(f"{urls[1]}retry/").status_code == 303
    client.post(f"{urls[1]}cancel/")
    assert ask(client).status_code == 303
    assert ask(client).status_code == 429
    JobRequest.objects.update(created_at=old, tried_at=old)
    assert client.post(f"{urls[0]}retry/").status_code == 303


def test_a_form_is_shown_again_with_what_was_typed(limited: None, client: Client) -> None:
    ask(client), ask(client)
    answer = client.post("/ask/say/", {"text": "my long text"})
    page = answer.content.decode()
    assert answer.status_code == 429
    assert "You have 2 requests in progress" in page
    assert 'value="my long text"' in page


def test_people_are_counted_apart(limited: None, client: Client, bob: User, log_in: Any) -> None:
    ask(client), ask(client)
    assert ask(log_in(bob)).status_code == 303


def test_an_anonymous_person_is_counted_by_ip_address(limited: None, ada: User) -> None:
    for number in range(2):
        data = {"text": "x", "email": f"{number}@example.com"}
        Client().post("/ask/function/", data, REMOTE_ADDR="192.0.2.1")
    assert ask(Client(), REMOTE_ADDR="192.0.2.1").status_code == 429
    assert ask(Client(), REMOTE_ADDR="192.0.2.2").status_code == 303


def test_an_anonymous_person_is_counted_by_address(limited: None, ada: User) -> None:
    """In whatever case it is written: no network of machines fills one mailbox."""
    answers = [
        Client().post(
            "/ask/function/",
            {"text": "x", "email": address},
            REMOTE_ADDR=f"192.0.2.{number}",
        )
        for number, address in enumerate(["eve@example.com", "Eve@Example.com", "EVE@example.com"])
    ]
    assert [answer.status_code for answer in answers] == [303, 303, 429]


def test_a_user_is_not_counted_by_ip_address(limited: None, client: Client) -> None:
    """A school has one address for all its students."""
    for _ in range(2):
        ask(Client())
    assert ask(client).status_code == 303


def test_a_project_says_how_it_knows_the_ip_address(
    engine: Engine, ada: User, settings: Any
) -> None:
    settings.JOBQUEUE_REQUESTS = {
        "WAIT_FOR": 0,
        "CLIENT_IP": "tests.requests.test_limits.forwarded",
    }
    ask(Client(), headers={"x-forwarded-for": "198.51.100.7"})
    ask(Client(), headers={"x-forwarded-for": "nonsense"})
    assert addresses() == ["198.51.100.7", None]


def addresses() -> list[str | None]:
    return list(JobRequest.objects.order_by("pk").values_list("ip", flat=True))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::"),
        (" 192.0.2.1 ", "192.0.2.1"),
    ],
)
def test_address_is_kept_as_it_is_counted(
    engine: Engine, ada: User, address: str, kept: str
) -> None:
    ask(Client(), REMOTE_ADDR=address)
    assert addresses() == [kept]


def test_network_of_ipv6_is_one_person(limited: None, ada: User) -> None:
    """Who has one address of it has 18 trillion millions."""
    for number in range(2):
        assert ask(Client(), REMOTE_ADDR=f"2001:db8::{number}").status_code == 303
    assert ask(Client(), REMOTE_ADDR="2001:db8::ffff:1").status_code == 429
    assert ask(Client(), REMOTE_ADDR="2001:db8:0:1::1").status_code == 303


@pytest.mark.parametrize("address", ["", "nonsense", "192.0.2.1, 198.51.100.7"])
def test_people_whose_address_is_unknown_are_counted_together(
    limited: None, ada: User, address: str
) -> None:
    """As behind a Unix socket; else nothing would limit them."""
    for _ in range(2):
        assert ask(Client(), REMOTE_ADDR=address).status_code == 303
    assert ask(Client(), REMOTE_ADDR=address).status_code == 429
    assert ask(Client(), REMOTE_ADDR="192.0.2.1").status_code == 303


def forwarded(request: Any) -> str:
    return str(request.headers["x-forwarded-for"])


@pytest.mark.parametrize("way", ["the request", "all jobs that match"])
def test_what_an_operator_runs_again_is_no_submission(
    limited: None, client: Client, ada: User, way: str
) -> None:
    """People may ask for as much as before; the time of a request counts from then on."""
    old = timezone.now() - timedelta(hours=1)
    ask(client), ask(client)
    rows = list(JobRequest.objects.all())
    for row in rows:
        changes.cancel(row)
    JobRequest.objects.update(created_at=old)
    if way == "the request":
        assert all(map(changes.retry, rows))
    else:
        bulk.start("default", REQUEUE, Selection(states=(State.CANCELLED,)), ada.pk)
    drain()
    rows = list(JobRequest.objects.all())
    assert [(row.state, row.tried_at) for row in rows] == [("succeeded", None)] * 2
    assert all(row.begun_at == row.reopened_at for row in rows)
    assert [ask(client).status_code for _ in range(3)] == [303, 303, 429]
