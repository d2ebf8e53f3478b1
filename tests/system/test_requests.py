"""Requests on PostgreSQL: a site and a worker in processes of their own."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from embedded.server import EmbeddedServer
from tests.support.postgres import Postgres
from tests.support.processes import WorkerProcess, until
from tests.support.site import Site, Visitor, fill_database

JSON = {"Accept": "application/json"}
numbers = count()


def variables(server: Postgres, name: str) -> dict[str, str]:
    return {"TEST_DATABASES": json.dumps({"default": server.database(name, NAME=name)})}


@pytest.fixture(scope="session")
def site_template(postgres: Postgres) -> str:
    """The name of a database with the tables and two users, to be copied."""
    postgres.execute("CREATE DATABASE site_template")
    fill_database(**variables(postgres, "site_template"))
    return "site_template"


@pytest.fixture
def site(
    engine: Engine,
    postgres: Postgres,
    site_template: str,
    worker_process: Callable[..., WorkerProcess],
    tmp_path: Path,
) -> Iterator[Site]:
    name = f"site_{next(numbers)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {site_template}")
    site = Site(tmp_path, worker_process, variables(postgres, name))
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


def test_many_who_cancel_and_retry_at_once_get_in_no_deadlock(site: Site) -> None:
    """Each answer is one of those that are meant, and the end is one end."""
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
