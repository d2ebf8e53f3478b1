"""attach: a process introduces itself."""

import pytest

from django_jobqueue.conf import load
from django_jobqueue.engine import Engine, close_engines, get_engine
from django_jobqueue.engine.client import Client
from django_jobqueue.engine.keys import SCHEMA
from django_jobqueue.exceptions import OwnerMismatch, QueueUnavailable, SchemaMismatch
from django_jobqueue.jobs.signing import Signer
from tests.support.places import everything, full_memory


def fresh() -> Client:
    return Client("default", load("default"))


def meta(engine: Engine) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in everything(engine)["meta"].items()}


def test_first_process_names_owner_and_epoch(engine: Engine) -> None:
    """An empty server belongs to who comes first."""
    assert meta(engine) == {
        "schema": SCHEMA,
        "epoch": engine.client.epoch,
        "owner": engine.signer.owners()[0],
    }


def test_second_process_takes_what_is_there(engine: Engine) -> None:
    """The same data have the same epoch for all; nothing changes."""
    before = everything(engine)
    other = fresh()
    other.attach()

    assert other.epoch == engine.client.epoch
    assert everything(engine) == before


def test_emptied_server_has_a_new_epoch(engine: Engine) -> None:
    """Who attaches again learns that the data were lost."""
    engine.client.redis.flushall()
    other = fresh()
    other.attach()

    assert other.epoch not in ("", engine.client.epoch)


def test_keys_of_another_project_are_refused(engine: Engine, settings) -> None:
    """Neither side can mistake the other's jobs for its own."""
    before = everything(engine)
    settings.SECRET_KEY = "of another project"

    with pytest.raises(OwnerMismatch, match=r"set PREFIX, or add the old key"):
        get_engine("default").client.attach()
    assert everything(engine) == before


def test_refused_process_is_refused_again(engine: Engine, settings) -> None:
    """The second call does not slip through."""
    settings.SECRET_KEY = "of another project"
    for _ in range(2):
        with pytest.raises(OwnerMismatch):
            get_engine("default").queues.names()


def test_rotated_key_is_accepted_and_rewritten(engine: Engine, settings) -> None:
    """A fallback key proves the ownership; from then on the new key is the owner's."""
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [old]
    get_engine("default").client.attach()

    assert meta(engine)["owner"] == Signer(["new"]).owners()[0]
    settings.SECRET_KEY_FALLBACKS = []
    get_engine("default").client.attach()


@pytest.mark.parametrize(
    ("owners", "ownership"),
    [
        (["mine"], "known"),
        (["mine", "old"], "known"),
        (["new", "mine"], "rotated"),
        (["new", "newer", "mine"], "rotated"),
        (["theirs"], "foreign"),
        ([], "foreign"),
    ],
)
def test_ownership_tells_the_place_of_the_owners_key(
    engine: Engine, owners: list[str], ownership: str
) -> None:
    """Only the first one signs; any proves the ownership."""
    connection = engine.client
    connection.redis.hset(connection.keys("meta"), "owner", "mine")
    reply = connection._evaluate(
        "attach", owners, {"schema": SCHEMA, "new_epoch": "another", "known": connection.epoch}
    )
    assert reply == [
        ownership.encode(), SCHEMA.encode(), connection.epoch.encode(), b"mine", b""
    ]  # fmt: skip


def test_rotation_works_at_maxmemory(engine: Engine, settings) -> None:
    """A deploy with a new key must not wait for memory."""
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [old]
    with full_memory(engine):
        get_engine("default").client.attach()
    assert meta(engine)["owner"] == Signer(["new"]).owners()[0]


def test_first_process_is_refused_at_maxmemory(engine: Engine) -> None:
    """Nothing of this project is stored there yet: there is nothing to go on with."""
    engine.client.redis.flushall()
    with full_memory(engine), pytest.raises(QueueUnavailable, match="maxmemory"):
        fresh().attach()
    assert everything(engine) == {}


def test_the_inspector_reads_no_other_projects_keys(engine: Engine) -> None:
    """It introduces itself as the writers do."""
    keys = engine.client.keys
    engine.client.redis.hset(keys("meta"), "owner", "somebodyelse")
    close_engines()
    with pytest.raises(OwnerMismatch):
        get_engine("default").inspector.workers()
    engine.client.redis.delete(keys("meta"))


def test_other_major_schema_is_refused(engine: Engine) -> None:
    """The message names both versions, and what to do."""
    before = everything(engine)
    for schema in ("2.0", "0.9", "nonsense"):
        engine.client.redis.hset(engine.client.keys("meta"), "schema", schema)
        said = rf"schema {schema}, this version speaks 1\..* deploy the version that speaks it"
        with pytest.raises(SchemaMismatch, match=said):
            fresh().attach()
    engine.client.redis.hset(engine.client.keys("meta"), "schema", SCHEMA)
    assert everything(engine) == before


def test_other_minor_schema_is_accepted(engine: Engine) -> None:
    """Old and new code of one major version run together."""
    engine.client.redis.hset(engine.client.keys("meta"), "schema", "1.99")
    fresh().attach()
    assert meta(engine)["schema"] == "1.99"


def test_aliases_and_prefixes_are_apart(engine: Engine, settings) -> None:
    """Another prefix on the same server is another owner's business."""
    tasks = settings.TASKS["default"]
    options = tasks["OPTIONS"] | {"PREFIX": "other"}
    settings.TASKS = {"default": tasks | {"OPTIONS": options}}
    settings.SECRET_KEY = "of another project"

    other = get_engine("default")
    other.client.attach()

    assert other.client.keys.prefix == "other:{default}:"
    assert other.client.epoch != engine.client.epoch
