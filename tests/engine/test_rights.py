"""rights: which commands the Redis user may not run, before one of them is missed."""

from collections.abc import Callable, Iterator

import pytest

from django_jobqueue.checks import check_servers
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.scripts import standard
from django_jobqueue.engine.server import commands
from django_jobqueue.exceptions import ServerUnfit
from embedded.server import EmbeddedServer
from tests import acl

from .places import Make, everything, full_memory

NAMES = [str(name) for name in commands()[::2]]
Lacking = Callable[..., Engine]


@pytest.fixture
def lacking(engine: Engine, redis_server: EmbeddedServer, settings) -> Iterator[Lacking]:
    """Log the default engine in as a user without some commands."""
    client = engine.connection.client

    def log_in(*names: str) -> Engine:
        less = [f"-{name.lower()}" for name in names]
        client.execute_command("ACL", "SETUSER", "less", *acl.RULES, *less)
        default = settings.TASKS["default"]
        url = f"unix://less:{acl.PASSWORD}@{redis_server.socket}?db=0"
        settings.TASKS = {"default": {**default, "OPTIONS": {**default["OPTIONS"], "URL": url}}}
        return get_engine("default")

    yield log_in
    client.execute_command("ACL", "DELUSER", "less")


@pytest.mark.parametrize("name", NAMES)
def test_each_command_is_missed(
    engine: Engine, lacking: Lacking, make_job: Make, name: str
) -> None:
    """The user is refused at the door, so that no script begins what it can't end."""
    make_job()
    before = everything(engine)
    with pytest.raises(ServerUnfit, match=f"may not run {name} at .* Secure Redis"):
        lacking(name).queues.pause("default")
    assert everything(engine) == before


def test_all_that_are_missed_are_told(lacking: Lacking) -> None:
    with pytest.raises(ServerUnfit, match="may not run GET, HGETALL, ZADD at"):
        lacking("GET", "ZADD", "HGETALL").queues.names()
    (message,) = [found for found in check_servers() if found.id == "jobqueue.E004"]
    assert "GET, HGETALL, ZADD" in message.msg


def test_user_of_the_docs_lacks_nothing(engine: Engine, lacking: Lacking) -> None:
    """Every command can be tried on its own, and leaves nothing behind."""
    before = everything(engine)
    assert lacking().queues.names() == ["default"]
    assert everything(engine) == before


def test_full_server_refuses_no_rights(engine: Engine) -> None:
    """That there is no memory is another matter."""
    with full_memory(engine):
        assert engine.connection.rights() == []


def test_unknown_command_is_no_matter_of_rights(engine: Engine) -> None:
    """A server too old for it is told by its version."""
    connection = engine.connection
    asked: list[str | int] = ["NO-SUCH-COMMAND", 0]
    assert standard().rights(connection.execute, connection.keys.prefix, asked) == []
