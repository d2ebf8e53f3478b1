"""A site in a process of its own, its worker, and visitors who ask it over HTTP."""

import http.cookiejar
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.processes import PATIENCE, ROOT, WorkerProcess, free_port, until

PATHS = os.pathsep.join([str(ROOT), str(ROOT / "testproject")])
FILL = """
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
for name in ("ada", "bob"):
    User.objects.create_user(name, f"{name}@example.com", name)
"""


def fill_database(**database: str) -> None:
    """Make the tables, and two users, ada and bob; the name is the password."""
    done = subprocess.run(
        [sys.executable, "-m", "django", "shell", "-c", FILL],
        env=environment(**database),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(**more: str) -> dict[str, str]:
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PYTHONPATH": PATHS,
        "TEST_WITH_REQUESTS": "1",
    }
    return os.environ | settings | more


class Site:
    """A web server on a database of its own, and what starts workers on the same."""

    def __init__(
        self, folder: Path, start: Callable[..., WorkerProcess], database: dict[str, str]
    ) -> None:
        """`database` are the variables of the environment that name it, and what else is set."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._start = start
        media = str(folder / "media")
        self.variables = {"TEST_MEDIA": media, "TEST_WITH_REQUESTS": "1", **database}
        self._log = folder / f"site-{self.port}.log"
        command = ["runserver", "--noreload", "--insecure", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "django", *command],
                env=environment(**self.variables),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until_ready(self) -> "Site":
        until(self._answers, what=f"the site answers\n{self._log.read_text()}")
        return self

    def worker(self, *arguments: str) -> WorkerProcess:
        return self._start(*arguments, **self.variables).until_ready()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return Visitor(self).get("/login/").status == 200
        except OSError:
            return False


class Answer(NamedTuple):
    """What the site has answered."""

    status: int
    headers: "Message[str, str]"
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nowhere."""


class Visitor:
    """A person with cookies, who follows no redirects."""

    def __init__(self, site: Site, name: str = "") -> None:
        self._site = site
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies), _NoRedirect
        )
        if name:
            answer = self.post("/login/", {"username": name, "password": name})
            assert answer.status == 302, answer

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask(path, None, headers)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        if not self._token():
            self.get("/login/")
        given = (form or {}) | {"csrfmiddlewaretoken": self._token()}
        return self._ask(path, urllib.parse.urlencode(given).encode(), headers)

    def _token(self) -> str:
        return {one.name: one.value for one in self._cookies}.get("csrftoken") or ""

    def _ask(self, path: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(self._site.url + path, data, headers)
        try:
            reply = self._opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            return Answer(reply.status, reply.headers, reply.read().decode())
