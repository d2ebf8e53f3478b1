"""The tasks of a library: Wagtail's, which index pages that a request has published."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embedded.server import EmbeddedServer
from tests.support.processes import PATIENCE, ROOT

pytest.importorskip("wagtail", reason="one row of the matrix installs Wagtail")

START = "from wagtail.bin.wagtail import main; main()"
SETTINGS = """
from .base import *

INSTALLED_APPS += ["django_jobqueue"]
TASKS = {{
    "default": {{
        "BACKEND": "django_jobqueue.backend.JobQueueBackend",
        "OPTIONS": {options!r},
    }}
}}
DATABASES["default"] |= {{
    "ATOMIC_REQUESTS": {atomic_requests},
    "OPTIONS": {{"timeout": 30, "transaction_mode": "IMMEDIATE"}},
}}
"""
PUBLISH = """
import json, time
from django.contrib.auth.models import User
from django.test import Client
from home.models import HomePage
from wagtail.models import Page
from django_jobqueue.engine import get_engine
from django_jobqueue.jobs.states import State

client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("ada", "ada@example.com", "only for this test"))
parent = HomePage.objects.get()
for number in range(5):
    reply = client.post(
        f"/admin/pages/add/home/homepage/{parent.pk}/",
        {"title": f"zebra{number}", "slug": f"zebra{number}", "action-publish": "publish",
         "comments-TOTAL_FORMS": 0, "comments-INITIAL_FORMS": 0},
    )
    assert reply.status_code == 302, reply.content.decode()
inspector, end = get_engine("default").inspector, time.monotonic() + 60
while any(inspector.count(state) for state in State if not state.is_final):
    assert time.monotonic() < end, "jobs are left"
    time.sleep(0.05)
print(json.dumps({
    "failed": inspector.count(State.FAILED),
    "found": sum(bool(Page.objects.search(f"zebra{number}")) for number in range(5)),
}))
"""


@pytest.mark.parametrize("atomic_requests", [True, False])
def test_pages_that_are_published_are_found(tmp_path: Path, atomic_requests: bool) -> None:
    """With the options of docs/how-to/libraries.md, under a worker that is faster than a commit."""
    run(tmp_path, "-c", START, "start", "mysite", ".")
    server = EmbeddedServer(tmp_path / "redis")
    server.start()
    options = {"URL": server.url, "ENQUEUE_ON_COMMIT": True, "MAX_ATTEMPTS": 3}
    text = SETTINGS.format(options=options, atomic_requests=atomic_requests)
    (tmp_path / "mysite/settings/local.py").write_text(text)
    manage(tmp_path, "migrate", "--verbosity", "0")
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "jobworker", "--no-reload", "--processes", "2"],
        cwd=tmp_path,
        env=environment(),
    )
    try:
        found: dict[str, Any] = json.loads(
            manage(tmp_path, "shell", "--verbosity", "0", "-c", PUBLISH).splitlines()[-1]
        )
    finally:
        worker.terminate()
        assert worker.wait(PATIENCE) == 0
        server.stop()
    assert found == {"failed": 0, "found": 5}


def manage(folder: Path, *arguments: str) -> str:
    return run(folder, "manage.py", *arguments)


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    """Return the environment of the site, which has settings of its own."""
    left_out = {"DJANGO_SETTINGS_MODULE", "REDIS_URL"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | {
        "PYTHONPATH": str(ROOT)
    }
