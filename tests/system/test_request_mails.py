"""One mail and the right page, whatever is killed on the way: real processes, both databases.

TEST_MAIL_OUTAGE=60 lets the mail server be away for a minute, and then refuse for a minute. A test
then lasts four minutes, for the pauses between the attempts grow.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.engine import Engine
from django_jobqueue.jobs.states import State
from django_jobqueue.requests.mail import SEND_MAIL
from tests.support.ledger import trim_all
from tests.support.mail_server import MailServer, parsed
from tests.support.postgres import Postgres
from tests.support.processes import WorkerProcess, until
from tests.support.site import Site, Visitor

JSON = {"Accept": "application/json"}
OUTAGE = float(os.environ.get("TEST_MAIL_OUTAGE", "0"))  # seconds, at least
PATIENCE = 90 + 4 * OUTAGE  # seconds in which a mail arrives: the pauses are 5, 15, 45, 135 s


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """A database with the tables and two users."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("site_database")
        return {"TEST_DATABASE": str(shutil.copy(template, tmp_path / "site.sqlite3"))}
    server: Postgres = request.getfixturevalue("postgres")
    return server.variables(request.getfixturevalue("new_site_database")())


@pytest.fixture
def start_site(
    engine: Engine,
    database: dict[str, str],
    worker_process: Callable[..., WorkerProcess],
    mail_server: MailServer,
    tmp_path: Path,
) -> Iterator[Callable[..., Site]]:
    """Start sites whose workers mail to the server of the test; a lost job runs again soon."""
    options = {
        "TEST_MAIL": mail_server.address,
        "TEST_REQUESTS": json.dumps({"MAIL_DELAY": 1, "WAIT_FOR": 0}),
        "TEST_LEASE": "3",
    }
    sites: list[Site] = []

    def start(**more: str) -> Site:
        sites.append(Site(tmp_path, worker_process, {**database, **options, **more}))
        return sites[-1].until_ready()

    yield start
    for site in sites:
        site.close()


@pytest.fixture
def mailing_site(start_site: Callable[..., Site]) -> Site:
    return start_site()


@pytest.fixture
def ada(mailing_site: Site) -> Visitor:
    return Visitor(mailing_site, "ada")


def ask(person: Visitor, path: str, **form: str) -> str:
    """Ask for something at a form, and return the address of the page, which is not looked at."""
    answer = person.post(path, form, **JSON, Prefer="respond-async")
    assert answer.status == 202, answer
    return str(answer.headers["Location"])


def told(person: Visitor, url: str, server: MailServer, state: str = "succeeded") -> Any:
    """Wait for the mail; assert that it leads to the page, which is right, and is the only one."""
    until(lambda: server.kept, timeout=PATIENCE, what="a mail")
    found = person.get(url, **JSON).json()
    assert (found["done"], found["state"]) == (True, state)
    (mail,) = server.mails
    text = mail.get_body(("plain",))
    assert text is not None
    assert mail["To"] == "ada@example.com"
    assert f"{url}\n" in text.get_content().replace("\r\n", "\n")
    return found


def killed_at(call: str, folder: Path) -> dict[str, str]:
    """Return the environment of processes of which the first one that gets there is killed."""
    app = "tests.project.killed_at.KilledAt"
    return {"TEST_APPS": app, "TEST_KILL": f"{call} {folder / 'was-killed'}"}


def test_site_is_killed_between_commit_and_enqueue(
    start_site: Callable[..., Site], mail_server: MailServer, tmp_path: Path
) -> None:
    """The person gets no answer, and finds the request among the others."""
    site = start_site(**killed_at("Jobs.enqueue", tmp_path))
    with pytest.raises(OSError):  # noqa: PT011 - a connection that ends, in whatever way
        Visitor(site, "ada").post("/ask/say/", {"text": "hello"}, **JSON)
    assert (tmp_path / "was-killed").exists()
    site = start_site()
    ada = Visitor(site, "ada")
    (found,) = ada.get("/requests/", **JSON).json()["requests"]
    site.worker()
    assert told(ada, found["links"]["self"], mail_server)["result"]["text"] == "hello"


def test_worker_is_killed_between_the_end_in_the_row_and_in_redis(
    start_site: Callable[..., Site], mail_server: MailServer, tmp_path: Path
) -> None:
    """The second run finds the row final; the mail was enqueued with that end."""
    site = start_site(**killed_at("Claims.finish", tmp_path))
    ada = Visitor(site, "ada")
    url = ask(ada, "/ask/say/", text="hello")
    site.worker()
    told(ada, url, mail_server)
    assert (tmp_path / "was-killed").exists()


def test_redis_is_away_at_submit(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer
) -> None:
    engine.client.redis.execute_command("CLIENT", "PAUSE", "4000", "ALL")
    url = ask(ada, "/ask/say/", text="hello")
    mailing_site.worker()
    assert told(ada, url, mail_server)["result"]["text"] == "hello"


def test_redis_is_flushed_while_the_job_waits(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer
) -> None:
    """And again while the mail waits."""
    url = ask(ada, "/ask/say/", text="hello")
    engine.client.redis.flushall()
    mailing_site.worker()
    until(lambda: engine.inspector.count(State.SCHEDULED), timeout=90, what="the mail waits")
    engine.client.redis.flushall()
    assert told(ada, url, mail_server)["result"]["text"] == "hello"


def test_worker_is_killed_in_the_job(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer, tmp_path: Path
) -> None:
    url = ask(ada, "/ask/step/", folder=str(tmp_path), steps="1")
    worker = mailing_site.worker()
    until(lambda: engine.inspector.count(State.RUNNING), what="it runs")
    worker.kill_all()
    (tmp_path / "1").touch()
    mailing_site.worker()
    told(ada, url, mail_server)


def test_worker_is_killed_between_the_end_and_the_mail(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer
) -> None:
    """The transaction of the end has enqueued the mail."""
    url = ask(ada, "/ask/fail/")
    worker = mailing_site.worker()
    until(lambda: engine.inspector.count(State.FAILED), what="it has failed")
    worker.kill_all()
    assert mail_server.arrived == []
    mailing_site.worker()
    told(ada, url, mail_server, "failed")


def test_scheduler_is_absent_for_a_while(
    mailing_site: Site,
    ada: Visitor,
    engine: Engine,
    mail_server: MailServer,
    scheduler_process: Callable[..., WorkerProcess],
) -> None:
    """It dies while the mail waits for its time, which the workers see to as well."""
    scheduler = scheduler_process(**mailing_site.variables)
    url = ask(ada, "/ask/say/", text="hello")
    worker = mailing_site.worker()
    until(lambda: _has_mail(engine, State.SCHEDULED), what="the mail waits")
    scheduler.kill_all()
    told(ada, url, mail_server)
    until(lambda: _has_mail(engine, State.SUCCEEDED), what="its job ends")
    scheduler = scheduler_process(**mailing_site.variables)
    until(lambda: "Fires schedules" in scheduler.output(), what="it is back")
    assert (scheduler.stop(), worker.stop()) == (0, 0)
    assert len(mail_server.arrived) == 1


def _has_mail(engine: Engine, state: State) -> bool:
    """Return whether a mail's job is in this state; the schedules of the demo have jobs too."""
    return any(job.task == SEND_MAIL for job in engine.inspector.page(state, 0, 100))


def test_job_is_trimmed_before_anybody_looks(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer
) -> None:
    """The page knows; and nothing runs again."""
    url = ask(ada, "/ask/grade/")
    worker = mailing_site.worker()
    until(lambda: engine.inspector.count(State.SUCCEEDED), what="it is done")
    trim_all(engine)
    assert len(told(ada, url, mail_server, "partly")["result"]["failures"]) == 2
    trim_all(engine)
    assert worker.stop() == 0
    assert len(mail_server.arrived) == 1


@pytest.mark.timeout(240 + 3 * PATIENCE)
def test_mail_server_is_away_and_then_refuses(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer
) -> None:
    """The attempts are those of the mail alone, and it arrives once."""
    mail_server.stop()
    url = ask(ada, "/ask/say/", text="hello")
    mailing_site.worker()
    _outage(lambda: "Connection" in _last_error(engine), "a failed attempt")
    mail_server.refusal = "451 Later, please"
    mail_server.start()
    _outage(lambda: mail_server.arrived, "an attempt")
    mail_server.refusal = ""
    told(ada, url, mail_server)
    assert len({parsed(envelope)["Message-ID"] for envelope in mail_server.arrived}) == 1


def _outage(has_met: Callable[[], object], what: str) -> None:
    """Wait until the outage is over, and an attempt has met it."""
    end = time.monotonic() + OUTAGE
    until(lambda: has_met() and time.monotonic() >= end, timeout=PATIENCE, what=what)


def _last_error(engine: Engine) -> str:
    """Return how the latest attempt of the mail that waits has failed."""
    for job in engine.inspector.page(State.SCHEDULED, 0, 10):
        runs = engine.inspector.job(job.id).runs
        return runs[-1].exception if runs else ""
    return ""


def test_worker_is_killed_after_the_server_took_the_mail(
    mailing_site: Site, ada: Visitor, engine: Engine, mail_server: MailServer
) -> None:
    """The one crash that repeats a mail: it has the same id, so that mailboxes show one."""
    mail_server.answers.clear()
    url = ask(ada, "/ask/say/", text="hello")
    worker = mailing_site.worker()
    until(lambda: mail_server.kept, timeout=90, what="the server has taken the mail")
    worker.kill_all()
    mail_server.answers.set()
    mailing_site.worker()
    until(lambda: len(mail_server.kept) == 2, timeout=90, what="it is sent again")
    assert len({mail["Message-ID"] for mail in mail_server.mails}) == 1
    assert ada.get(url, **JSON).json()["done"] is True
    until(lambda: not engine.inspector.count(State.RUNNING), what="its job ends")
    assert len(mail_server.kept) == 2
