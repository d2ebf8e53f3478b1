"""The way of all jobs to another major schema, with a made-up one: nothing but 1 exists yet."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, upgrade
from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.upgrade import Upgrade
from django_jobqueue.exceptions import OwnerMismatch, SchemaMismatch
from django_jobqueue.jobs.job import State

from .places import Make, record


def colour(connection: Connection, index: str, queue: str, ids: list[str]) -> None:
    """Bring jobs to schema 2, in which each has a colour."""
    for job_id in ids:
        connection.client.hset(connection.keys("job", job_id), "colour", f"{index} {queue}")


@pytest.fixture
def short_batches(monkeypatch) -> int:
    monkeypatch.setattr(upgrade, "BATCH", 3)
    return 3


@pytest.fixture
def jobs(engine: Engine, seed) -> list[str]:
    """Jobs in all states that may last, in two queues."""
    states = [state for state in State if state not in (State.RUNNING, State.QUEUED)]
    found = [seed(state, queue) for queue in ("default", "b") for state in states for _ in range(5)]
    return found + [seed(State.QUEUED, queue) for queue in ("default", "b")]


@pytest.fixture(autouse=True)
def back(engine: Engine) -> Iterator[None]:
    """The auditor at the end can attach."""
    yield
    engine.connection.client.delete(engine.connection.keys("meta"))


@pytest.mark.usefixtures("short_batches")
def test_every_job_is_brought_along(engine: Engine, jobs: list[str]) -> None:
    """In batches, each job once."""
    change = Upgrade(engine.connection, schema="2.0", steps={1: colour})
    batches = list(change.sweep(change.path()))

    assert sum(batches) == len(jobs)
    assert max(batches) == 3
    assert all("colour" in record(engine, job_id) for job_id in jobs)


def test_steps_follow_each_other(engine: Engine, jobs: list[str]) -> None:
    """From 1 to 3 by way of 2."""
    taken: list[int] = []
    steps = {1: lambda *_: taken.append(1), 2: lambda *_: taken.append(2)}
    change = Upgrade(engine.connection, schema="3.0", steps=steps)
    assert change.path() == [1, 2]
    list(change.sweep([1, 2]))
    assert taken == sorted(taken)
    assert set(taken) == {1, 2}


@pytest.mark.usefixtures("short_batches")
def test_interrupted_sweep_begins_again(engine: Engine, jobs: list[str]) -> None:
    """The keys stay closed until it is done; a second run does it all."""
    change = Upgrade(engine.connection, schema="2.0", steps={1: colour})
    change.begin_upgrade()
    next(iter(change.sweep([1])))
    again = Upgrade(Connection("default", load("default")), schema="2.0", steps={1: colour})

    assert again.path() == [1]
    assert sum(again.sweep([1])) == len(jobs)
    again.end_upgrade()
    assert all("colour" in record(engine, job_id) for job_id in jobs)


@pytest.mark.parametrize("stored", ["3.0", "0.9", "nonsense"])
def test_schema_without_a_way_is_told(engine: Engine, stored: str) -> None:
    """Neither back, nor from what nobody knows; nothing is closed."""
    keys, client = engine.connection.keys, engine.connection.client
    client.hset(keys("meta"), "schema", stored)
    change = Upgrade(Connection("default", load("default")), schema="2.0", steps={1: colour})
    with pytest.raises(SchemaMismatch, match=f"schema {stored}.*can't bring them to 2.0"):
        change.path()
    assert client.hget(keys("meta"), "upgrading") is None


def test_keys_of_another_project_are_left_alone(engine: Engine, settings) -> None:
    """Whoever may not attach may not upgrade."""
    settings.SECRET_KEY = "of another project"
    with pytest.raises(OwnerMismatch):
        Upgrade(Connection("default", load("default")), schema="2.0", steps={1: colour}).path()


def test_command_has_nothing_to_do(engine: Engine) -> None:
    """There is one major schema so far."""
    out = io.StringIO()
    call_command("jobqueue", "upgrade", stdout=out)
    assert "Nothing to do" in out.getvalue()


def test_command_upgrades(engine: Engine, make_job: Make, monkeypatch, settings) -> None:
    """It waits for the workers, tells how far it is, and opens the keys."""
    tasks = settings.TASKS["default"]
    settings.TASKS = {"default": tasks | {"OPTIONS": tasks["OPTIONS"] | {"LEASE": 1}}}
    job_id = make_job()
    init = Upgrade.__init__
    monkeypatch.setattr(
        Upgrade, "__init__", lambda self, con: init(self, con, schema="2.0", steps={1: colour})
    )
    out = io.StringIO()
    call_command("jobqueue", "upgrade", stdout=out)

    assert "Waiting for the workers" in out.getvalue()
    assert "1 jobs are done." in out.getvalue()
    assert "colour" in record(engine, job_id)
    assert engine.connection.client.hget(engine.connection.keys("meta"), "schema") == b"2.0"


def test_command_tells_what_is_wrong(engine: Engine) -> None:
    """As one line, without a traceback."""
    engine.connection.client.hset(engine.connection.keys("meta"), "schema", "7.0")
    with pytest.raises(CommandError, match=r"schema 7\.0"):
        call_command("jobqueue", "upgrade")
    with pytest.raises(CommandError, match='TASKS has no entry "nowhere"'):
        call_command("jobqueue", "upgrade", "--backend", "nowhere")


def test_command_adopts(engine: Engine, settings, monkeypatch) -> None:
    """It asks first, and takes only one answer for yes."""
    settings.SECRET_KEY = "of another project"
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("jobqueue", "adopt", stdout=io.StringIO())
    with pytest.raises(OwnerMismatch):
        Connection("default", load("default")).attach()

    out = io.StringIO()
    call_command("jobqueue", "adopt", "--noinput", stdout=out)
    assert engine.signer.owners()[0] in out.getvalue()
    Connection("default", load("default")).attach()
