"""Fixtures: a ledger on each kind of database, and an engine whose alias uses it."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue import paths
from django_jobqueue.engine import Engine
from django_jobqueue.ledger import outbox
from tests.project.settings import OPTIONS, TASKS
from tests.support.ledger import DATABASE, Ledger, shared

KINDS = ("sqlite", "postgres")
numbers = count()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ledger(
    kind: str,
    request: pytest.FixtureRequest,
    engine: Engine,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_db_blocker: Any,
    tmp_path: Path,
) -> Iterator[Ledger]:
    """The ledger of the alias "default", in a database that workers can share.

    After the test, this process does not know its durable tasks.
    """
    monkeypatch.setattr(paths, "_tasks", dict(paths._tasks))
    monkeypatch.setattr(outbox, "_announced", set())
    database: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "ledger.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    }
    if kind == "postgres":
        server = request.getfixturevalue("postgres")
        database = server.database(f"ledger-{os.getpid()}-{next(numbers)}")
    options = OPTIONS | {"DATABASE": DATABASE}
    settings.TASKS = {"default": TASKS["default"] | {"OPTIONS": options}}
    with django_db_blocker.unblock(), shared(database) as found:
        yield found
