"""Requests on PostgreSQL: a site and a worker in processes of their own."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from embedded.server import EmbeddedServer
from tests.support.postgres import Postgres
from tests.support.processes import WorkerProcess, until
from tests.support.site import Site, Visitor

JSON = {"Accept": "application/json"}
ANOTHER_REQUEST = """
CREATE TEMP TABLE copied AS SELECT * FROM django_jobqueue_requests_jobrequest;
UPDATE copied SET id = id + 1000, public_id = 'another';
INSERT INTO django_jobqueue_requests_jobrequest SELECT * FROM copied;
"""
FORGET_RETRIES = """
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN NEW.tried_at := NULL; RETURN NEW; END';
CREATE TRIGGER forget BEFORE UPDATE ON django_jobqueue_requests_jobrequest
FOR EACH ROW EXECUTE FUNCTION forget();
"""
# What a worker does, up to its commit.
END_OF_JOB = """
UPDATE django_jobqueue_enqueued SET state = 'succeeded', result = '1', finished_at = now();
UPDATE django_jobqueue_requests_jobrequest SET state = 'succeeded' WHERE public_id = 'another';
"""


@pytest.fixture
def database(new_site_database: Callable[[], str]) -> str:
    """The name of the site's database."""
    return new_site_database()


@pytest.fixture
def site(
    engine: Engine,
    postgres: Postgres,
    database: str,
    worker_process: Callable[..., WorkerProcess],
    tmp_path: Path,
) -> Iterator[Site]:
    site = Site(tmp_path, worker_process, postgres.variables(database))
    yield site.until_ready()
    site.close()


def ask(person: Visitor, path: str, **form: str) -> str:
    """Ask for something at a form, and return the address of the page."""
    answer = person.post(path, form, **JSON, Prefer="respond-async")
    assert answer.status == 202, answer
    return str(answer.headers["Location"])


def end_of(person: Visitor, url: str) -> Any:
    """Wait until a request has ended, and return how it stands."""

    def ended() -> Any:
        found = person.get(url, **JSON, Prefer="wait=5").json()
        return found if found["done"] else None

    return until(ended, what=f"{url} has ended")


def test_each_end(site: Site) -> None:
    """What people see of each, and that a file comes back as it was stored."""
    site.worker()
    ada = Visitor(site, "ada")
    assert end_of(ada, ask(ada, "/ask/say/", text="hello\tyou"))["result"]["text"] == "hello\tyou"
    assert end_of(ada, ask(ada, "/ask/fail/"))["error"]["code"] == "failed"
    found = end_of(ada, ask(ada, "/ask/grade/"))
    assert (found["state"], len(found["result"]["failures"])) == ("partly", 2)
    found = end_of(ada, ask(ada, "/ask/export/"))
    assert ada.get(found["result"]["file"]).text == "Ada;1"
    page = ada.get("/requests/").text
    assert page.count("<li ") == 4
    assert Visitor(site, "bob").get(found["links"]["self"]).status == 404


def test_cancelled_before_and_while_it_runs(site: Site, tmp_path: Path) -> None:
    ada = Visitor(site, "ada")
    url = ask(ada, "/ask/say/", text="x")
    assert ada.post(f"{url}cancel/", {}, **JSON).json()["state"] == "cancelled"
    site.worker()
    url = ask(ada, "/ask/step/", folder=str(tmp_path), steps="1")
    until(lambda: ada.get(url, **JSON).json()["state"] == "running", what="it runs")
    assert ada.post(f"{url}cancel/", {}, **JSON).status == 200
    assert end_of(ada, url)["error"] == {"code": "cancelled", "message": "It was cancelled."}


def test_many_who_cancel_and_retry_at_once_get_in_no_deadlock(
    site: Site, postgres: Postgres, database: str
) -> None:
    """Each answer is one of those that are meant, and the end is one end."""
    with postgres.connect(database) as connection:
        connection.execute(FORGET_RETRIES)
    site.worker()
    ada = Visitor(site, "ada")
    url = ask(ada, "/ask/fail/")
    statuses: list[int] = []

    def change(person: Visitor, what: str) -> None:
        statuses.extend(person.post(f"{url}{what}/", {}, **JSON).status for _ in range(15))

    people = [(Visitor(site, "ada"), what) for what in ("cancel", "retry", "cancel", "retry")]
    threads = [threading.Thread(target=change, args=one) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 409}, statuses
    with suppress(AssertionError):
        ada.post(f"{url}cancel/", {}, **JSON)
    assert end_of(ada, url)["error"]["code"] in {"failed", "cancelled"}


def test_who_joins_a_job_again_as_it_ends_is_told_its_end(
    site: Site, postgres: Postgres, database: str
) -> None:
    """Nobody else would: the request would stay open for ever."""
    ada = Visitor(site, "ada")
    url = ask(ada, "/ask/say/", text="hello")
    with postgres.connect(database) as worker:
        worker.execute(ANOTHER_REQUEST)
        worker.commit()
        assert ada.post(f"{url}cancel/", {}, **JSON).json()["state"] == "cancelled"
        worker.execute(END_OF_JOB)
        retry = threading.Thread(target=ada.post, args=(f"{url}retry/", {}), kwargs=JSON)
        retry.start()
        until(
            lambda: postgres.count_blocked(database) or not retry.is_alive(),
            what="the retry waits for the job's end, or is over",
        )
    retry.join()
    assert ada.get(url, **JSON).json()["state"] == "succeeded"


@pytest.mark.parametrize("view", ["cancel", "retry"])
@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        ("DELETE FROM django_jobqueue_requests_jobrequest", 404),
        ("UPDATE django_jobqueue_requests_jobrequest SET job_id = gen_random_uuid()", 409),
    ],
    ids=["deleted", "follows another job"],
)
def test_what_is_changed_may_change_meanwhile(
    site: Site, postgres: Postgres, database: str, view: str, meanwhile: str, status: int
) -> None:
    """Its row was locked by somebody else until then."""
    ada = Visitor(site, "ada")
    url = ask(ada, "/ask/say/", text="hello")
    answers: list[int] = []
    with postgres.connect(database) as other:
        other.execute(meanwhile)
        change = threading.Thread(
            target=lambda: answers.append(ada.post(f"{url}{view}/", {}, **JSON).status)
        )
        change.start()
        until(
            lambda: postgres.count_blocked(database) or not change.is_alive(),
            what="the change waits for the row, or is over",
        )
    change.join()
    assert answers == [status]


def test_the_row_is_shown_while_redis_is_away(site: Site, redis_server: EmbeddedServer) -> None:
    """And what was asked for then is done when it is back."""
    ada = Visitor(site, "ada")
    with stopped(redis_server):
        url = ask(ada, "/ask/say/", text="hello")
        page = ada.get(url)
        assert (page.status, "can&#x27;t be told" in page.text) == (200, True)
        assert ada.get(url, **JSON).json()["state"] == "open"
    until(lambda: ada.get(url, **JSON).json()["state"] == "queued", what="Redis is back")
    site.worker()
    assert end_of(ada, url)["result"]["text"] == "hello"


@contextmanager
def stopped(server: EmbeddedServer) -> Iterator[None]:
    """Let the server answer nobody."""
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_address_that_no_request_can_have_is_not_found(site: Site) -> None:
    """Whoever asks, for whatever, with whatever key; PostgreSQL takes no NUL."""
    names = ["%00", "a%00b", "x" * 5000, "%F0%9F%8E%89", "..%2f", "%ED%A0%80"]
    keys = ["", "?key=%00", "?key=a:b", f"?key={'x' * 5000}"]
    for person in (Visitor(site, "ada"), Visitor(site)):
        for name, view, key in product(names, ["", "cancel/", "retry/", "download/"], keys):
            look = person.post if view in ("cancel/", "retry/") else person.get
            assert look(f"/requests/{name}/{view}{key}").status in (404, 302), (name, view, key)


def test_any_title_can_be_stored(site: Site) -> None:
    """It is one line, which is not too long for the row."""
    ada = Visitor(site, "ada")
    titles = [
        "a\0b",
        "e" + "\u0301" * 1000,
        "\U0001f389" * 1000,
        "a\r\nBcc: b\n\n" + "x " * 500,
        "\u202ex",
    ]
    for title in titles:
        found = ada.get(ask(ada, "/ask/title/", title=title), **JSON).json()
        assert found["title"].isprintable()
        assert found["title"][0] == (title[0] if title[0].isprintable() else "\\")
        assert len(found["title"]) <= 200


@pytest.mark.parametrize(
    "given",
    [
        {"Accept": ["text/html;q=nan", "application/json;q=inf, */*", ";", "a/b/c", "*", "\xff"]},
        {"Prefer": ["wait=-1", "wait=" + "9" * 400, "wait=nan", "=,;,,", "wait;wait", "\xff"]},
        {"HX-Request": ["", "true, true", "\xff"]},
        {"Accept-Language": ["xx-" + "y" * 600, "*", ";q=", "\xff"]},
        {"Host": ["a" * 400 + ".example", "localhost:99999"]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_any_header_is_answered(site: Site, given: dict[str, list[str]]) -> None:
    ada = Visitor(site, "ada")
    url = ask(ada, "/ask/say/", text="hello")
    ((header, values),) = given.items()
    for value in values:
        headers = {header: value}
        submit = {"Prefer": "respond-async"} | headers
        answers = [ada.get(url, **headers), ada.get("/requests/", **headers)]
        answers.append(ada.post("/ask/say/", {"text": "hello"}, **submit))
        assert {answer.status for answer in answers} <= {200, 202, 303, 400, 429}, value
