"""A worker that starts looks whether there are rows of which nothing tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from django_jobqueue.engine import close_engines
from django_jobqueue.ledger import table
from django_jobqueue.models import Enqueued
from django_jobqueue.worker import ledger_look
from tests.support.ledger import DATABASE, Ledger, tasks
from tests.support.processes import until


@pytest.fixture
def forgotten(ledger: Ledger, request: pytest.FixtureRequest) -> Ledger:
    """A ledger with a row, of which Redis knows nothing any more, nor does the code."""
    tasks.plain.using(durable=True).enqueue()
    request.getfixturevalue("nothing_durable")
    ledger.engine.client.redis.flushall()
    close_engines()  # what looks is a process that has just started
    return ledger


def is_known(ledger: Ledger) -> bool:
    return ledger.engine.unsettled.look().has_ledger


@pytest.mark.parametrize("state", ["open", "succeeded"])
def test_rows_are_found(forgotten: Ledger, state: str) -> None:
    """Ended ones too: somebody has to purge them."""
    forgotten.rows.update(state=state)
    assert not is_known(forgotten)
    ledger_look.look(forgotten.engine)
    assert is_known(forgotten)


@pytest.mark.parametrize("left", ["of another alias", "nothing"])
def test_rows_of_others_are_none(forgotten: Ledger, left: str) -> None:
    if left == "nothing":
        forgotten.rows.delete()
    forgotten.rows.update(alias="another")
    ledger_look.look(forgotten.engine)
    assert not is_known(forgotten)


def test_project_without_the_table_has_no_ledger(forgotten: Ledger) -> None:
    table._found.discard(DATABASE)
    with connections[DATABASE].schema_editor() as editor:
        editor.delete_model(Enqueued)
    ledger_look.look(forgotten.engine)
    assert not is_known(forgotten)
    with connections[DATABASE].schema_editor() as editor:
        editor.create_model(Enqueued)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_database_that_is_away_is_asked_again(
    forgotten: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and holds up nobody."""
    monkeypatch.setattr(ledger_look, "PAUSE", 0.01)
    with unreachable(connections.settings[DATABASE]):
        ledger_look.start("default")
        until(lambda: "can't be seen yet" in caplog.text)
    until(lambda: is_known(forgotten))
    assert caplog.text.count("can't be seen yet") == 1


@contextmanager
def unreachable(database: dict[str, Any]) -> Iterator[None]:
    """Let new connections to a database of SQLite fail."""
    name = database["NAME"]
    database["NAME"] = "/no/such/folder/file.sqlite3"
    try:
        yield
    finally:
        database["NAME"] = name
