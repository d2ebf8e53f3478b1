"""System checks: each id, what brings it up, and that it is silent otherwise."""

from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections

from django_jobqueue import compat, task
from django_jobqueue.backend import JobQueueBackend
from django_jobqueue.checks import check_configuration, check_servers
from django_jobqueue.engine import Engine, close_engines

BACKEND = "django_jobqueue.backend.JobQueueBackend"
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
NOWHERE = "redis://:hunter2@127.0.0.1:1"  # nothing listens there


pytestmark = pytest.mark.usefixtures("nothing_durable")


def plain() -> None:
    pass


def redis_cache(location: str) -> dict[str, Any]:
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}


def said() -> list[checks.CheckMessage]:
    """Return what is said of the servers, but for the password in the URL of a restricted user."""
    return [message for message in check_servers() if message.id != "jobqueue.W009"]


def ids(messages: list[checks.CheckMessage]) -> list[str]:
    return [str(message.id) for message in messages]


def test_sound_configuration_is_silent(configure) -> None:
    """The offline check connects to nothing."""
    configure(URL=NOWHERE)
    assert check_configuration() == []


def test_e001_faulty_option(configure) -> None:
    """Each fault is an error of its own."""
    configure(URL=NOWHERE, LEASES=5, DB="x")
    messages = check_configuration()
    assert ids(messages) == ["jobqueue.E001", "jobqueue.E001"]
    assert "Did you mean 'LEASE'?" in messages[0].msg
    assert all(message.is_serious() for message in messages)


def test_e001_options_that_are_no_mapping(settings) -> None:
    """A slip in the settings is a check error, not a traceback."""
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": ["URL"]}}
    assert ids(check_configuration()) == ["jobqueue.E001"]


@pytest.mark.parametrize(
    "given", [{}, {"CACHE": "default"}, {"CACHE": "missing"}, {"URL": "redis://host:port"}]
)
def test_e002_no_redis_configured(configure, given: dict[str, Any]) -> None:
    """Neither URL nor a Redis cache: the message says what to set."""
    configure(**given)
    (message,) = check_configuration()
    assert message.id == "jobqueue.E002"
    assert "OPTIONS[" in message.msg


def test_e003_cache_in_the_same_database(configure) -> None:
    """cache.clear() would delete the jobs: an error until the number is chosen on purpose."""
    configure(caches={"default": redis_cache("redis://127.0.0.1:1/1")})
    (message,) = check_configuration()
    assert message.id == "jobqueue.E003"
    assert 'CACHES["default"]' in message.msg
    assert "OPTIONS['DB']" in str(message.hint)


def test_e003_by_url_under_another_name_of_the_host(configure) -> None:
    """localhost and 127.0.0.1, default port and its number are the same place."""
    configure(caches={"other": redis_cache("redis://localhost/1")}, URL="redis://127.0.0.1:6379")
    assert ids(check_configuration()) == ["jobqueue.E003"]


def test_w003_shared_database_on_purpose(configure) -> None:
    """Who sets DB knows; a reminder stays."""
    configure(caches={"default": redis_cache("redis://127.0.0.1:1/1")}, DB=1)
    (message,) = check_configuration()
    assert message.id == "jobqueue.W003"
    assert not message.is_serious()


@pytest.mark.parametrize("location", ["redis://127.0.0.1:1/0", "unix:///nowhere.sock?db=1"])
def test_cache_elsewhere_is_no_fault(configure, location: str) -> None:
    """Another number or another server is what we recommend."""
    configure(caches={"default": redis_cache(location)}, URL="redis://127.0.0.1:1/1")
    assert check_configuration() == []


def test_e004_server_that_may_evict(engine: Engine) -> None:
    """Waiting jobs could vanish: an error of `check --deploy`."""
    close_engines()
    client = engine.client.redis
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        (message,) = said()
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert message.id == "jobqueue.E004"
    assert "allkeys-lru" in message.msg


def test_e004_keys_of_another_project(engine: Engine, settings) -> None:
    """The message says what to set."""
    settings.SECRET_KEY = "of another project"
    (message,) = said()
    assert message.id == "jobqueue.E004"
    assert "set PREFIX" in message.msg


def test_fit_server_is_silent(engine: Engine) -> None:
    """Nothing to say of a server of the right kind."""
    assert said() == []


def test_w004_unreachable_server(configure) -> None:
    """A machine that checks need not reach Redis: a warning, without the password."""
    configure(URL=NOWHERE, PASSWORD="hunter2")
    (message,) = check_servers()
    assert message.id == "jobqueue.W004"
    assert "127.0.0.1:1" in message.msg
    assert "hunter2" not in message.msg


def test_w009_password_in_the_url(configure) -> None:
    """Nothing masks it there; as an option of its own it is masked, and it wins."""
    configure(URL=NOWHERE)
    login, server = check_servers()
    assert ids([login, server]) == ["jobqueue.W009", "jobqueue.W004"]
    assert "hunter2" not in f"{login.msg} {login.hint}"
    configure(URL=NOWHERE, USERNAME="jobs", PASSWORD="another")
    assert ids(check_servers()) == ["jobqueue.W004"]


@pytest.mark.parametrize(
    ("url", "given", "what"),
    [
        ("redis://0.0.0.0:1", {}, "all jobs go over the network"),
        (
            "redis://0.0.0.0:1",
            {"PASSWORD": "hunter2"},
            "the password and all jobs go over the network",
        ),
        ("rediss://0.0.0.0:1?ssl_cert_reqs=none", {}, "pose as"),
    ],
)
def test_w005_open_way(configure, url: str, given: dict[str, str], what: str) -> None:
    """It is told even if nobody answers there.

    The address leads to this machine, but is none of those that always do.
    """
    configure(URL=url, **given)
    way, server = check_servers()
    assert ids([way, server]) == ["jobqueue.W005", "jobqueue.W004"]
    assert what in way.msg
    assert "0.0.0.0:1" in way.msg
    assert "rediss://" in str(way.hint)
    assert "hunter2" not in f"{way}{server}"


def test_e008_unknown_database(configure) -> None:
    """It would fail at the first enqueue."""
    configure(URL=NOWHERE, DATABASE="ledgr")
    (message,) = check_configuration()
    assert message.id == "jobqueue.E008"
    assert "'ledgr'" in message.msg
    assert "there is: default" in message.msg


def test_e009_atomic_needs_durable(configure) -> None:
    """A task may say so itself, or the alias for all."""
    configure(URL=NOWHERE)
    atomic = task(atomic=True)(plain)
    (message,) = check_configuration()
    assert message.id == "jobqueue.E009"
    assert atomic.module_path in message.msg
    with pytest.raises(compat.InvalidTask, match="atomic=True needs a row"):
        atomic.enqueue()
    configure(URL=NOWHERE, DURABLE=True)
    assert "jobqueue.E009" not in ids(check_configuration())


@pytest.mark.parametrize(
    ("options", "silent"),
    [
        ({}, False),
        ({"transaction_mode": "DEFERRED"}, False),
        ({"transaction_mode": "IMMEDIATE"}, True),
    ],
)
def test_w010_sqlite_that_fails_at_once(
    configure, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], silent: bool
) -> None:
    """Only if jobs are durable, as the mails of requests are."""
    database = connections.settings["default"] | {"OPTIONS": options}
    monkeypatch.setitem(connections.settings, "default", database)
    configure(URL=NOWHERE)
    assert check_configuration() == []
    configure(URL=NOWHERE, DURABLE=True)
    assert ids(check_configuration()) == ([] if silent else ["jobqueue.W010"])


def test_faulty_configuration_is_told_once(configure) -> None:
    """What the offline check reports, the other one does not repeat."""
    configure(LEASE=0)
    assert check_servers() == []


def test_e005_app_not_installed(settings) -> None:
    """The backend itself tells, as the app's own checks are not there."""
    backend = JobQueueBackend("default", {"BACKEND": BACKEND})
    assert list(backend.check()) == []
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_jobqueue"]
    assert ids(list(backend.check())) == ["jobqueue.E005"]


def test_aliases_of_other_backends_are_left_alone(settings) -> None:
    """Only our own are checked; a path that leads nowhere is Django's to report."""
    settings.TASKS = {
        "default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend", "OPTIONS": {"A": 1}},
        "gone": {"BACKEND": "nowhere.Backend", "OPTIONS": {"B": 2}},
    }
    assert check_configuration() == []


def test_manage_py_check_runs_them(configure) -> None:
    """They are registered under the tag of the package."""
    configure(LEASES=5)
    with pytest.raises(SystemCheckError, match=r"jobqueue\.E001"):
        call_command("check", "--tag", "jobqueue")
