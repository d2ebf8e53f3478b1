"""Fixtures: files by which tasks and tests speak; PostgreSQL, for what SQLite can't show."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from django_jobqueue.engine import Engine
from tests.support.postgres import Postgres, PostgresNotFound
from tests.support.processes import ROOT
from tests.support.site import fill_database


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


@pytest.fixture(scope="session")
def new_site_database(postgres: Postgres) -> Callable[[], str]:
    """Make a database with the tables and two users, and return its name."""
    postgres.execute("CREATE DATABASE site_template")
    fill_database(**postgres.variables("site_template"))
    numbers = count()

    def copy() -> str:
        name = f"site_{next(numbers)}"
        postgres.execute(f"CREATE DATABASE {name} TEMPLATE site_template")
        return name

    return copy


@pytest.fixture
def oracle(tmp_path: Path) -> Path:
    """The file to which the tasks note what they do."""
    return tmp_path / "oracle"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file: the task `hold` ends when it is there."""
    return tmp_path / "gate"


@pytest.fixture
def chaos_seed() -> int:
    number = int(os.environ.get("CHAOS_SEED") or random.randrange(1, 1_000_000))
    print(f"CHAOS_SEED={number}")  # noqa: T201 - shown if the test fails
    return number


@pytest.fixture
def damaged(engine: Engine) -> Iterator[Engine]:
    """The engine, on a server that is emptied at the end, because nobody could repair it."""
    yield engine
    engine.client.redis.flushall()
