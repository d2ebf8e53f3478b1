"""The page of a request: as HTML, JSON and fragment, in each state, and what a look costs."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.connection import AbstractConnection as Connection

from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.jobs.job import Job
from django_jobqueue.requests import status
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.testing import drain
from tests.project import asked_tasks
from tests.support.resp import take_values

from .conftest import JSON, ask

FRAGMENT = {"hx-request": "true"}


def look(client: Client, row: JobRequest, headers: dict[str, str] | None = None) -> Any:
    answer = client.get(row.get_absolute_url(), headers=headers or {})
    assert answer.status_code == 200
    return answer


def text_of(client: Client, row: JobRequest, headers: dict[str, str] | None = None) -> str:
    return look(client, row, headers).content.decode()


def claim(engine: Engine, slot: str = "0.0") -> Job:
    claimed = engine.claims.claim(Slot("worker-1", slot), ["default"])
    assert isinstance(claimed, Job)
    return claimed


def ended(user: User, task: Any, *args: Any) -> JobRequest:
    """Return a request whose job has run."""
    row = ask(user, task, *args)
    drain()
    row.refresh_from_db()
    assert row.is_final
    return row


def test_a_queued_request_tells_its_place(
    engine: Engine, client: Client, make_job: Callable[..., str]
) -> None:
    make_job(), make_job()
    client.post("/ask/say/", {"text": "x"})
    row = JobRequest.objects.get()
    assert "Waiting: 2 before you" in text_of(client, row)
    assert look(client, row, JSON).json()["place"] == 2
    claim(engine, "0.0"), claim(engine, "0.1")
    assert "Waiting: it is next" in text_of(client, row)


def test_a_running_request_tells_its_progress(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    job = claim(engine)
    engine.jobs.progress(job.id, job.fence, 3, 10, "chapter <3>")
    page = text_of(client, asked)
    assert '<progress aria-label="Progress" max="10" value="3">' in page
    assert "30 % chapter &lt;3&gt;" in page
    found = look(client, asked, JSON).json()
    assert found["state"] == "running"
    assert found["progress"] == {
        "current": 3,
        "total": 10,
        "text": "chapter <3>",
        "percent": 30,
    }
    assert found["place"] is None


def test_a_progress_without_a_total_has_no_end(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    job = claim(engine)
    engine.jobs.progress(job.id, job.fence, 0, 0, "looking")
    page = text_of(client, asked)
    assert '<progress aria-label="Progress"></progress>' in page
    assert ">looking<" in page


def test_the_json_is_a_long_running_operation(client: Client, done: JobRequest) -> None:
    found = look(client, done, JSON).json()
    assert (found["done"], found["state"], found["error"]) == (True, "succeeded", None)
    assert found["result"] == {"text": "hello", "url": "", "file": None, "failures": []}
    assert found["links"] == {"self": f"/requests/{done.public_id}/"}
    assert done.finished_at is not None
    assert found["finished"] == done.finished_at.isoformat()
    assert "Retry-After" not in look(client, done, JSON).headers


def test_a_failure_is_an_error_with_words_for_people(
    engine: Engine, client: Client, ada: User
) -> None:
    row = ended(ada, asked_tasks.break_down, "the password is x")
    found = look(client, row, JSON).json()
    assert (found["done"], found["result"]) == (True, None)
    assert found["error"] == {
        "code": "failed",
        "message": "Something went wrong. It is not your fault, and it was noted down.",
    }
    page = text_of(client, row)
    assert "password" not in page
    assert "Try again" in page


def test_the_page_works_while_redis_is_away(
    client: Client, asked: JobRequest, configure: Callable[..., None]
) -> None:
    configure(URL="unix:///no/such/socket")
    page = text_of(client, asked)
    assert "In progress. How far it is can&#x27;t be told at the moment." in page
    found = look(client, asked, JSON).json()
    assert (found["done"], found["state"], found["progress"]) == (False, "open", None)


def test_a_partial_success_lists_what_failed(engine: Engine, client: Client, ada: User) -> None:
    row = ended(ada, asked_tasks.grade, 100, ["Bea: no file", "<i>", "Cy: empty"])
    page = text_of(client, row)
    assert "Partly done" in page
    assert "97 of 100 done" in page
    assert "<li>&lt;i&gt;</li>" in page
    found = look(client, row, JSON).json()
    assert (found["state"], found["error"]) == ("partly", None)
    assert found["result"]["failures"] == ["Bea: no file", "<i>", "Cy: empty"]


def test_whatever_a_task_says_is_escaped(engine: Engine, client: Client, ada: User) -> None:
    evil = '"><img src=x onerror=alert(1)>{{7*7}}'
    row = ended(ada, asked_tasks.answer, {"jobqueue_outcome": "done", "text": evil, "url": evil})
    JobRequest.objects.update(title=evil, error_text=evil, failures=[evil])
    for headers in ({}, FRAGMENT):
        page = text_of(client, row, headers)
        assert "<img" not in page
        assert "49" not in page
    assert "<img" not in client.get("/requests/").content.decode()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example/"])
def test_a_result_leads_to_no_script(engine: Engine, client: Client, ada: User, url: str) -> None:
    row = ended(ada, asked_tasks.answer, {"jobqueue_outcome": "done", "url": url})
    assert row.result_url == ""


def test_a_fragment_asks_again_until_the_end(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    """It is the panel without the page around it, for htmx."""
    panel = text_of(client, asked, FRAGMENT)
    assert panel.strip().startswith("<section")
    assert f'hx-get="/requests/{asked.public_id}/"' in panel
    assert 'hx-trigger="every 1s"' in panel
    assert "hx-" not in text_of(client, asked)
    drain()
    panel = text_of(client, asked, FRAGMENT)
    assert "hello" in panel
    assert "hx-" not in panel


def test_a_cache_tells_the_forms_of_an_answer_apart(client: Client, asked: JobRequest) -> None:
    headers = look(client, asked).headers
    assert {"Accept", "HX-Request"} <= {name.strip() for name in headers["Vary"].split(",")}
    assert "no-store" in headers["Cache-Control"]


def test_the_end_counts_as_seen_once_and_by_its_person_only(
    client: Client, done: JobRequest, bob: User, log_in: Any, settings: Any
) -> None:
    settings.JOBQUEUE_REQUESTS = {"MAY_SEE": "tests.requests.test_page.everybody"}
    look(log_in(bob), done)
    seen = [seen_at(done)]
    for _ in range(2):
        look(client, done)
        seen.append(seen_at(done))
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1] == seen[2]


def seen_at(row: JobRequest) -> Any:
    row.refresh_from_db()
    return row.seen_at


def everybody(request: Any, job_request: JobRequest) -> bool:
    return True


def test_a_look_at_what_goes_on_is_not_seen(client: Client, asked: JobRequest) -> None:
    look(client, asked)
    asked.refresh_from_db()
    assert asked.seen_at is None


@pytest.mark.parametrize("headers", [JSON, FRAGMENT])
def test_a_poll_costs_one_query_and_one_round_trip(
    engine: Engine,
    client: Client,
    asked: JobRequest,
    headers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside those of the log-in, and without a write."""
    look(client, asked, headers)  # the process is attached to Redis from now on
    trips = count_round_trips(engine, monkeypatch)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        look(client, asked, headers)
    own = [one["sql"] for one in captured if "jobrequest" in one["sql"]]
    login = [one["sql"] for one in captured if "session" in one["sql"] or "auth_user" in one["sql"]]
    assert (len(own), len(captured)) == (1, 1 + len(login))
    assert own[0].startswith("SELECT")
    assert trips == [["HGETALL", "GET", "ZRANK", "ZSCORE"]]


def test_a_poll_of_an_end_asks_redis_nothing(
    engine: Engine, client: Client, done: JobRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(client, done, JSON)
    trips = count_round_trips(engine, monkeypatch)
    with CaptureQueriesContext(connection) as captured:
        look(client, done, JSON)
    assert [one["sql"][:6] for one in captured if "jobrequest" in one["sql"]] == ["SELECT"]
    assert trips == []


def count_round_trips(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that gets the commands of each round trip to Redis from now on."""
    trips: list[list[str]] = []
    plain = Connection.send_packed_command

    def send(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        data = bytearray(command if isinstance(command, bytes) else b"".join(command))
        trips.append([value.split(b"\r\n")[2].decode() for value in take_values(data)])
        return plain(self, command, *args, **kwargs)

    monkeypatch.setattr(Connection, "send_packed_command", send)
    return trips


def test_the_list_shows_ones_own_requests_only(
    engine: Engine, client: Client, bob: User, ada: User, settings: Any
) -> None:
    settings.JOBQUEUE_REQUESTS = {"SUBMISSIONS_PER_MINUTE": 99, "OPEN_REQUESTS": 99, "WAIT_FOR": 0}
    for number in range(30):
        row = ask(ada, asked_tasks.say, title=f"number {number}", notify=False)
        JobRequest.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(hours=1))
    ask(bob, asked_tasks.say, title="of Bob")
    page = client.get("/requests/").content.decode()
    assert page.index("number 29") < page.index("number 5")
    assert "number 4<" not in page
    assert "of Bob" not in page
    assert "number 4<" in client.get("/requests/?page=2").content.decode()
    found = client.get("/requests/", headers=JSON).json()
    assert len(found["requests"]) == 25
    assert (found["requests"][0]["state"], found["next"]) == ("queued", "?page=2")


def test_an_empty_list_says_so(client: Client) -> None:
    assert "You have asked for nothing yet." in client.get("/requests/").content.decode()
    assert Client().get("/requests/").headers["Location"] == "/login/?next=/requests/"


def test_a_project_overrides_templates_block_by_block(
    client: Client, asked: JobRequest, settings: Any, tmp_path: Any
) -> None:
    """Its own base template, and one block of the panel; and another panel for one task."""
    folder = tmp_path / "templates" / "django_jobqueue_requests"
    folder.mkdir(parents=True)
    (folder.parent / "site.html").write_text(
        "<title>{% block t %}{% endblock %}</title>OUR SITE {% block c %}{% endblock %}"
    )
    (folder / "base.html").write_text(
        '{% extends "site.html" %}{% block t %}{% block job_requests_title %}{% endblock %}'
        "{% endblock %}{% block c %}{% block job_requests_content %}{% endblock %}{% endblock %}"
    )
    (folder / "panel.html").write_text(
        '{% extends "django_jobqueue_requests/panel.html" %}{% block times %}OUR TIME{% endblock %}'
    )
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [folder.parent]}]
    page = text_of(client, asked)
    assert "<title>Waiting: it is next · Say it</title>OUR SITE" in page
    assert "OUR TIME" in page
    assert "<progress" in page
    (folder / asked.task).mkdir()
    (folder / asked.task / "panel.html").write_text("ONLY {{ job_request.title }}")
    settings.TEMPLATES = list(settings.TEMPLATES)  # what it knows of missing ones is forgotten
    assert "ONLY Say it" in text_of(client, asked)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (59.4, "59 seconds"),
        (61, "1 minute"),
        (3500, "58 minutes"),
        (3600 * 5.4, "5 hours"),
        (86_400 * 3, "3 days"),
    ],
)
def test_durations_are_spoken(seconds: float, words: str) -> None:
    assert status.spoken(seconds) == words


def test_the_rest_is_estimated_by_others_and_then_by_its_own_speed(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    now = timezone.now()
    JobRequest.objects.update(created_at=now - timedelta(seconds=60), expected=180.0)
    assert "Requested 1 minute ago, about 2 minutes left." in text_of(client, asked)
    job = claim(engine)
    engine.jobs.progress(job.id, job.fence, 1, 2, "")
    asked.refresh_from_db()
    found = status.of(asked)
    at = timezone.now() + timedelta(seconds=100)
    assert found.lease_ends == pytest.approx(time.time() * 1000 + 30_000, abs=10_000)
    later = replace(found, now=at, lease_ends=int(at.timestamp() * 1000) + 1)
    assert later.remaining == pytest.approx(100, abs=5)
    # Else its rest would grow and grow, while nobody works.
    dead = replace(later, lease_ends=later.lease_ends - 2)
    assert dead.remaining == pytest.approx(20, abs=5)  # what others take
    JobRequest.objects.update(expected=10.0)
    engine.jobs.progress(job.id, job.fence, 0, 2, "")
    assert "left" not in text_of(client, asked)


@pytest.mark.parametrize(("age", "pause"), [(0, 1), (60, 2), (300, 5), (86_400, 10)])
def test_the_longer_it_takes_the_seldomer_it_is_asked_for(
    client: Client, asked: JobRequest, age: int, pause: int
) -> None:
    JobRequest.objects.update(created_at=timezone.now() - timedelta(seconds=age))
    assert look(client, asked, JSON).headers["Retry-After"] == str(pause)


def test_a_job_that_redis_has_lost_is_still_on_its_way(
    engine: Engine, client: Client, asked: JobRequest
) -> None:
    """The ledger stores it again."""
    engine.client.redis.flushdb()
    engine.client.attach()
    assert look(client, asked, JSON).json()["state"] == "queued"
    assert "Waiting for its turn" in text_of(client, asked)
