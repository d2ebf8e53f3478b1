"""People who ask, what they ask for, and workers that do it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from django_jobqueue.engine import Engine
from django_jobqueue.requests import estimates, submit
from django_jobqueue.requests.models import JobRequest
from django_jobqueue.testing import drain
from tests.support.processes import WorkerProcess
from tests.support.site import Site

JSON = {"accept": "application/json"}


def ask(user: Any, task: Any, *args: Any, **given: Any) -> JobRequest:
    """Submit any task as a function view does, and return the request."""
    request = RequestFactory().post("/")
    request.user = user
    answer: Any = submit(request, task, *args, **given)
    assert answer.status_code == 303
    row: JobRequest = answer.job_request
    return row


@pytest.fixture(autouse=True)
def nothing_is_known_of_earlier_tests(settings: Any, tmp_path: Any) -> None:
    """Files go to a folder of the test; who submits does not wait, unless the test says so."""
    estimates.forget()
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.JOBQUEUE_REQUESTS = {"WAIT_FOR": 0}


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_user("ada", "ada@example.com", "secret")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return User.objects.create_user("bob", "bob@example.com", "secret")


@pytest.fixture
def log_in() -> Callable[[User], Client]:
    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def client(ada: User, log_in: Callable[[User], Client]) -> Client:
    """Ada's browser."""
    return log_in(ada)


@pytest.fixture
def asked(engine: Engine, client: Client) -> JobRequest:
    """A request of Ada's, whose job is queued."""
    client.post("/ask/say/", {"text": "hello"})
    return JobRequest.objects.get()


@pytest.fixture
def done(asked: JobRequest) -> JobRequest:
    """A request of Ada's that has succeeded."""
    drain()
    asked.refresh_from_db()
    assert asked.state == "succeeded"
    return asked


@pytest.fixture
def start_site(
    engine: Engine,
    site_database: Path,
    worker_process: Callable[..., WorkerProcess],
    tmp_path: Path,
) -> Iterator[Callable[..., Site]]:
    """Start a site; it ends with the test."""
    started: list[Site] = []

    def start(**given: str) -> Site:
        path = shutil.copy(site_database, tmp_path / "site.sqlite3")
        started.append(Site(tmp_path, worker_process, {"TEST_DATABASE": str(path), **given}))
        return started[-1].until_ready()

    yield start
    for site in started:
        site.close()


@pytest.fixture
def site(start_site: Callable[..., Site]) -> Site:
    return start_site()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the steps of a slow task are let go."""
    folder = tmp_path / "steps"
    folder.mkdir()
    return folder
