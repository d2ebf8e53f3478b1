"""acl_missing: which commands the Redis user may not run, before one of them is missed."""

from collections.abc import Callable, Iterator

import pytest

from django_jobqueue.checks import check_servers
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.engine.handshake import COMMANDS
from django_jobqueue.exceptions import QueueUnavailable, ServerUnfit
from django_jobqueue.jobs.job import new_id
from embedded.server import EmbeddedServer
from tests.support import acl
from tests.support.jobs import new_job
from tests.support.places import Make, everything, full_memory, places

NAMES = " ".join(COMMANDS.values()).split()
Lacking = Callable[..., Engine]


@pytest.fixture
def lacking(engine: Engine, redis_server: EmbeddedServer, settings) -> Iterator[Lacking]:
    """Log the default engine in as a user without some commands."""
    client = engine.client.redis

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
    """The user is refused at the door, so that no worker begins what it can't end."""
    make_job()
    before = everything(engine)
    with pytest.raises(ServerUnfit, match=f"may not run {name} at .* Secure Redis"):
        lacking(name).client.check_rights()
    assert everything(engine) == before


def test_all_that_are_missed_are_told(lacking: Lacking) -> None:
    with pytest.raises(ServerUnfit, match="may not run GET, HGETALL, ZADD at"):
        lacking("GET", "ZADD", "HGETALL").client.check_rights()
    (message,) = [found for found in check_servers() if found.id == "jobqueue.E004"]
    assert "GET, HGETALL, ZADD" in message.msg


def test_nothing_is_left_by_a_user_who_may_not_delete(
    engine: Engine, lacking: Lacking, make_job: Make
) -> None:
    make_job()
    before = everything(engine)
    with pytest.raises(ServerUnfit, match="DEL, UNLINK"):
        lacking("DEL", "UNLINK").client.check_rights()
    assert everything(engine) == before


def test_user_of_the_docs_lacks_nothing(engine: Engine, lacking: Lacking) -> None:
    """Every command can be tried on its own, and leaves nothing behind."""
    before = everything(engine)
    lacking().client.check_rights()
    assert everything(engine) == before


def test_who_does_not_ask_is_refused_by_the_script(
    engine: Engine, lacking: Lacking, make_job: Make
) -> None:
    """A caller attaches without a look at its rights; the error says what to do."""
    waits = make_job()
    job = new_job(new_id(), "default", "a.b", b"payload")
    with pytest.raises(QueueUnavailable, match=r"ACL of the Redis user .* Secure Redis") as caught:
        lacking("INCR").jobs.enqueue([job])
    assert not caught.value.passing
    assert places(engine) == {"queued": {"default": [waits]}}
    engine.jobs.enqueue([job])  # completes it
    assert places(engine) == {"queued": {"default": [waits, job.id]}}


def test_attaching_asks_for_no_rights(engine: Engine, lacking: Lacking) -> None:
    """Nor does each reconnect: a caller may lack what it does not use."""
    lacks = lacking("LTRIM")
    lacks.client.attach()
    lacks.client.detach()
    assert lacks.queues.names() == ["default"]


def test_full_server_refuses_no_rights(engine: Engine) -> None:
    """That there is no memory is another matter."""
    with full_memory(engine):
        engine.client.check_rights()


def test_unknown_command_is_no_matter_of_rights(engine: Engine) -> None:
    """A server too old for it is told by its version."""
    assert engine.client.run("acl_missing", ["NO-SUCH-COMMAND", 0]) == []
