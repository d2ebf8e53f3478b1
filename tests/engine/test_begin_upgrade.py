"""begin_upgrade: the keys are closed to all but runs under way."""

from functools import partial

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine
from django_jobqueue.engine.claims import Slot
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.upgrade import Upgrade
from django_jobqueue.exceptions import SchemaMismatch
from tests.conftest import Clock

from .places import Make, claimed, everything, finish, full_memory, places


def meta(engine: Engine) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in everything(engine)["meta"].items()}


def test_keys_are_closed(engine: Engine, make_job: Make) -> None:
    """Processes that were attached, and new ones, are told what is going on."""
    job_id = make_job()
    upgrade = Upgrade(Connection("default", load("default")), schema="2.0", steps={1: print})
    assert upgrade.path() == [1]
    assert upgrade.begin_upgrade() == 0

    for call in (make_job, partial(engine.queues.promote, ["default"])):
        with pytest.raises(
            SchemaMismatch, match=r"being upgraded from schema 1\..*jobqueue upgrade"
        ):
            call()
    with pytest.raises(SchemaMismatch):
        engine.workers.claim(Slot("worker-1", "0"), ["default"])
    assert places(engine) == {"queued": {"default": [job_id]}}


def test_running_job_ends_well(engine: Engine, slot: Slot, make_job: Make) -> None:
    """The code that began it renews and finishes it."""
    job_id = make_job()
    job = claimed(engine, slot)
    upgrade = Upgrade(engine.connection, schema="2.0", steps={1: print})
    upgrade.begin_upgrade()
    assert upgrade.running() == 1

    assert [held.lost for held in engine.workers.renew(slot.worker, {"pid": 1})] == [False]
    assert finish(engine, slot, job) == "ok"
    assert places(engine) == {"succeeded": {"default": [job_id]}}


def test_second_call_begins_nothing(engine: Engine, clock: Clock) -> None:
    """It tells how long the first one is ago; the names stay."""
    upgrade = Upgrade(engine.connection, schema="2.0", steps={1: print})
    assert upgrade.begin_upgrade() == 0
    before = meta(engine)
    clock.move(20)

    assert 20_000 <= upgrade.begin_upgrade() < 30_000
    assert meta(engine) == before
    assert before["former"] == engine.connection.epoch != before["epoch"]


def test_workers_get_a_lease_to_learn_of_it(engine: Engine, clock: Clock) -> None:
    """Until then a worker might still move jobs in the old way."""
    upgrade = Upgrade(engine.connection, schema="2.0", steps={1: print})
    upgrade.path()
    upgrade.begin_upgrade()
    assert upgrade.running() == 1
    clock.move(31)
    assert upgrade.running() == 0


def test_it_begins_at_maxmemory(engine: Engine) -> None:
    """It must not wait for memory."""
    with full_memory(engine):
        assert Upgrade(engine.connection, schema="2.0").begin_upgrade() == 0
