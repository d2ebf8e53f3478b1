"""adopt: the keys of another owner become this project's."""

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.upgrade import Upgrade
from django_jobqueue.exceptions import OwnerMismatch
from django_jobqueue.jobs.payload import Signer

from .places import Make, everything, full_memory, places


def test_former_owner_is_refused(engine: Engine, settings, make_job: Make) -> None:
    """Its processes are turned away at their next call, and the jobs stay."""
    former = get_engine("default")
    job_id, tag = make_job(), engine.signer.owners()[0]
    settings.SECRET_KEY = "of another project"
    mine = get_engine("default")
    with pytest.raises(OwnerMismatch, match="jobqueue adopt"):
        mine.queues.names()

    assert Upgrade(mine.connection).adopt() == tag

    assert mine.queues.names() == ["default"]
    assert everything(mine)["meta"][b"owner"].decode() == Signer(["of another project"]).owners()[0]
    assert places(mine) == {"queued": {"default": [job_id]}}
    with pytest.raises(OwnerMismatch):
        former.queues.pause("default")


def test_adopted_keys_are_no_loss(engine: Engine, settings, caplog) -> None:
    """The new owner's processes attach anew without alarm."""
    other = Connection("default", load("default"))
    other.attach()
    engine.connection.client.hset(engine.connection.keys("meta"), "owner", "somebodyelse")
    Upgrade(engine.connection).adopt()

    assert other.call("pause", queue="default")
    assert "emptied or replaced" not in caplog.text
    assert engine.inspector.totals() == {}


def test_keys_of_nobody_can_be_adopted(engine: Engine) -> None:
    """An empty prefix becomes the project's as by its first process."""
    engine.connection.client.flushall()
    assert Upgrade(engine.connection).adopt() == ""
    assert set(everything(engine)["meta"]) == {b"schema", b"epoch", b"owner", b"former"}
    engine.queues.pause("default")


def test_second_call_changes_nothing(engine: Engine, settings) -> None:
    """A repeated call after a lost reply."""
    settings.SECRET_KEY = "of another project"
    mine = get_engine("default")
    upgrade = Upgrade(mine.connection)
    upgrade.adopt()
    before = everything(mine)
    assert upgrade.adopt() == mine.signer.owners()[0]
    assert everything(mine) == before


def test_adopt_works_at_maxmemory(engine: Engine) -> None:
    """It must not wait for memory."""
    with full_memory(engine):
        assert Upgrade(engine.connection).adopt() == engine.signer.owners()[0]
