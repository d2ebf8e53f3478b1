"""adopt: the keys of another owner become this project's."""

import io

import pytest
from django.core.management import CommandError, call_command

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.handshake import adopt
from django_jobqueue.exceptions import OwnerMismatch
from django_jobqueue.jobs.signing import Signer
from tests.support.places import Make, everything, full_memory, places


def test_former_owner_is_refused(engine: Engine, settings, make_job: Make) -> None:
    """Its processes are turned away at their next call, and the jobs stay."""
    former = get_engine("default")
    job_id, tag = make_job(), engine.signer.owners()[0]
    settings.SECRET_KEY = "of another project"
    mine = get_engine("default")
    with pytest.raises(OwnerMismatch, match="jobqueue adopt"):
        mine.queues.names()

    assert adopt(mine.client.run, mine.client.options) == tag

    assert mine.queues.names() == ["default"]
    assert everything(mine)["meta"][b"owner"].decode() == Signer(["of another project"]).owners()[0]
    assert places(mine) == {"queued": {"default": [job_id]}}
    with pytest.raises(OwnerMismatch):
        former.queues.pause("default")


def test_adopted_keys_are_no_loss(engine: Engine, settings, caplog) -> None:
    """The new owner's processes attach anew without alarm."""
    other = Client("default", load("default"))
    other.attach()
    engine.client.redis.hset(engine.client.keys("meta"), "owner", "somebodyelse")
    adopt(engine.client.run, engine.client.options)

    assert other.run("pause", queue="default", by="")
    assert "emptied or replaced" not in caplog.text
    assert engine.inspector.totals() == {}


def test_keys_of_nobody_can_be_adopted(engine: Engine) -> None:
    """An empty prefix becomes the project's as by its first process."""
    engine.client.redis.flushall()
    assert adopt(engine.client.run, engine.client.options) == ""
    assert set(everything(engine)["meta"]) == {b"schema", b"epoch", b"owner", b"former"}
    engine.queues.pause("default")


def test_second_call_changes_nothing(engine: Engine, settings) -> None:
    """A repeated call after a lost reply."""
    settings.SECRET_KEY = "of another project"
    mine = get_engine("default")
    adopt(mine.client.run, mine.client.options)
    before = everything(mine)
    assert adopt(mine.client.run, mine.client.options) == mine.signer.owners()[0]
    assert everything(mine) == before


def test_adopt_works_at_maxmemory(engine: Engine) -> None:
    """It must not wait for memory."""
    with full_memory(engine):
        assert adopt(engine.client.run, engine.client.options) == engine.signer.owners()[0]


def test_command_adopts(engine: Engine, settings, monkeypatch) -> None:
    """It asks first, and takes only one answer for yes."""
    settings.SECRET_KEY = "of another project"
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("jobqueue", "adopt", stdout=io.StringIO())
    with pytest.raises(OwnerMismatch):
        Client("default", load("default")).attach()

    out = io.StringIO()
    call_command("jobqueue", "adopt", "--noinput", stdout=out)
    assert engine.signer.owners()[0] in out.getvalue()
    Client("default", load("default")).attach()


def test_command_without_anybody_to_ask(engine: Engine, monkeypatch) -> None:
    """Its input is empty, or closed."""
    for stdin in (io.StringIO(), None):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(CommandError, match=r"Nothing was changed.*--yes"):
            call_command("jobqueue", "adopt", stdout=io.StringIO())


def test_command_tells_what_is_wrong() -> None:
    """As one line, without a traceback."""
    with pytest.raises(CommandError, match='TASKS has no entry "nowhere"'):
        call_command("jobqueue", "adopt", "--noinput", "--backend", "nowhere")


def test_keys_of_another_are_adopted_at_maxmemory(engine: Engine, settings) -> None:
    """Nor when there is something to write."""
    tag = engine.signer.owners()[0]
    settings.SECRET_KEY = "of another project"
    mine = get_engine("default")
    with full_memory(engine):
        assert adopt(mine.client.run, mine.client.options) == tag
    assert everything(mine)["meta"][b"owner"].decode() == mine.signer.owners()[0]


def test_adopted_keys_keep_their_schema(engine: Engine, settings) -> None:
    """The owner changes, not what stands there: it may be written by a newer version."""
    engine.client.redis.hset(engine.client.keys("meta"), "schema", "1.99")
    settings.SECRET_KEY = "of another project"
    mine = get_engine("default")
    adopt(mine.client.run, mine.client.options)
    assert everything(engine)["meta"][b"schema"] == b"1.99"
