"""Fixtures: PostgreSQL, for what SQLite can't show."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.rig import ROOT

from .postgres import Postgres, PostgresNotFound


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with Django's table of users; without PostgreSQL the test is skipped, not in CI."""
    try:
        server = Postgres()
    except PostgresNotFound as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with server:
        subprocess.run(
            [sys.executable, "-m", "django", "migrate", "auth", "--verbosity", "0"],
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "tests.project.settings",
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "testproject")]),
                "TEST_DATABASES": json.dumps({"default": server.database("migrate")}),
            },
            check=True,
        )
        yield server
