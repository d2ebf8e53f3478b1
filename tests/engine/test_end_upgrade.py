"""end_upgrade: the keys are open to all that speak their new schema."""

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.upgrade import Upgrade
from django_jobqueue.exceptions import SchemaMismatch

from .places import everything, full_memory


def test_keys_have_the_schema(engine: Engine) -> None:
    """Code of the old one is refused from now on, and told why."""
    upgrade = Upgrade(engine.connection, schema="2.0")
    upgrade.begin_upgrade()
    upgrade.end_upgrade()

    meta = everything(engine)["meta"]
    assert meta[b"schema"] == b"2.0"
    assert b"upgrading" not in meta
    with pytest.raises(SchemaMismatch, match=r"schema 2\.0.*deploy the version that speaks it"):
        Connection("default", load("default")).attach()


def test_keys_are_open(engine: Engine, caplog) -> None:
    """Processes attach anew, without alarm: nothing was lost."""
    upgrade = Upgrade(engine.connection, schema="1.1")
    upgrade.begin_upgrade()
    upgrade.end_upgrade()

    assert engine.queues.pause("default")
    assert "emptied or replaced" not in caplog.text


def test_it_ends_at_maxmemory_and_twice(engine: Engine) -> None:
    """A repeated call after a lost reply changes nothing more."""
    upgrade = Upgrade(engine.connection, schema="1.1")
    upgrade.begin_upgrade()
    with full_memory(engine):
        upgrade.end_upgrade()
        before = everything(engine)
        upgrade.end_upgrade()
    assert everything(engine) == before
