"""All configuration of one alias."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter

from django_jobqueue.conf import (
    DEFAULT_RETENTION,
    DEFAULT_RETENTION_COUNT,
    NAMES,
    faults,
    hide_password,
    load,
)

BACKEND = "django_jobqueue.backend.JobQueueBackend"


def test_defaults(settings) -> None:
    """An alias without OPTIONS has sensible ones."""
    settings.TASKS = {"default": {"BACKEND": BACKEND}}
    settings.SECRET_KEY_FALLBACKS = ["older"]

    options = load("default")

    assert (options.url, options.cache, options.db, options.prefix) == (None, None, None, "djq")
    assert (options.enqueue_on_commit, options.database) == (None, "default")
    assert (options.max_payload, options.max_result) == (65_536, 262_144)
    assert (options.lease, options.lease_ms, options.max_recoveries) == (30.0, 30_000, 2)
    assert options.retention == DEFAULT_RETENTION
    assert options.retention_count == DEFAULT_RETENTION_COUNT
    assert options.retention_count["failed"] > options.retention_count["succeeded"]
    assert options.signing_keys == (settings.SECRET_KEY, "older")


def test_options_are_read_when_asked_for(settings, configure) -> None:
    """Changed settings count at once, and what was read stays as it is."""
    configure(LEASE=10)
    old = load("default")
    configure(LEASE=20)

    assert (old.lease, load("default").lease) == (10.0, 20.0)
    with pytest.raises(FrozenInstanceError):
        old.lease = 30.0  # type: ignore[misc]


def test_values_are_converted(configure) -> None:
    """Times may be timedeltas, retention may be given in part."""
    configure(
        LEASE=timedelta(minutes=1),
        RETENTION={"failed": timedelta(days=1), "cancelled": 0},
        SIGNING_KEYS=["new", "old"],
        UNKNOWN_TASK_GRACE=5,
        RETENTION_COUNT={"failed": 5},
    )

    options = load("default")

    assert options.lease == 60.0
    assert options.retention == {"succeeded": 86_400.0, "failed": 86_400.0, "cancelled": 0.0}
    assert options.signing_keys == ("new", "old")
    assert options.unknown_task_grace == 5.0
    assert options.retention_count == DEFAULT_RETENTION_COUNT | {"failed": 5}
    configure(RETENTION_COUNT=7)
    assert set(load("default").retention_count.values()) == {7}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"LEASES": 5}, "unknown option 'LEASES'. Did you mean 'LEASE'?"),
        ({"url": "redis://h"}, "unknown option 'url'. Did you mean 'URL'?"),
        ({"RETENTION_COUNTS": 5}, "Did you mean 'RETENTION_COUNT'?"),
        ({"BROKER": "x"}, "unknown option 'BROKER'. Known: URL, CACHE, USERNAME,"),
        ({5: "x"}, "unknown option 5."),
        ({"DB": "1"}, "DB is '1'; it must be a whole number from 0 to 1000000."),
        ({"DB": True}, "DB is True; it must be a whole number"),
        ({"DB": -1}, "DB is -1; it must be a whole number"),
        ({"DB": None}, "DB is None; it must be a whole number"),
        (
            {"CLUSTER": 1},
            'CLUSTER is 1; it must be True, False or a list such as ["10.0.0.2:6379"].',
        ),
        ({"CLUSTER": []}, "CLUSTER is []; it must be True, False or a list"),
        ({"CLUSTER": ["10.0.0.2"]}, "CLUSTER is ['10.0.0.2']; it must be True, False or a list"),
        ({"CLUSTER": "h:1"}, "CLUSTER is 'h:1'; it must be True, False or a list"),
        ({"MAX_PAYLOAD": 0}, "it must be a whole number from 1 to 67108864."),
        ({"MAX_RESULT": 1.5}, "MAX_RESULT is 1.5; it must be a whole number"),
        ({"MAX_RECOVERIES": -1}, "it must be a whole number from 0 to 1000."),
        ({"RETENTION_COUNT": "all"}, "RETENTION_COUNT is 'all'; it must be a whole number"),
        ({"LEASE": 0}, "LEASE is 0; it must be seconds or a timedelta from 1 to 600 s."),
        ({"LEASE": "30"}, "LEASE is '30'; it must be seconds or a timedelta"),
        ({"LEASE": False}, "LEASE is False; it must be seconds"),
        ({"LEASE": float("nan")}, "LEASE is nan; it must be seconds"),
        ({"LEASE": timedelta(hours=1)}, "it must be seconds or a timedelta from 1 to 600 s."),
        ({"UNKNOWN_TASK_GRACE": -1}, "UNKNOWN_TASK_GRACE is -1; it must be seconds"),
        ({"PREFIX": ""}, "PREFIX is ''; it must be a non-empty string."),
        ({"PREFIX": "a:b"}, "PREFIX is 'a:b'; it can't contain braces, colons or white space."),
        ({"PREFIX": "a{b"}, "it can't contain braces"),
        ({"CACHE": 5}, "CACHE is 5; it must be a non-empty string."),
        ({"DATABASE": None}, "DATABASE is None; it must be a non-empty string."),
        ({"URL": None}, "URL is wrong; it must be a non-empty string."),
        ({"URL": "http://h"}, "URL is wrong; it must start with redis://, rediss:// or unix://."),
        ({"ENQUEUE_ON_COMMIT": 1}, "ENQUEUE_ON_COMMIT is 1; it must be True or False."),
        ({"SENSITIVE": "passwort"}, 'must be a list of parts of names, such as ["passwort"].'),
        ({"SENSITIVE": ["passwort", ""]}, "it must be a list of parts of names"),
        ({"SIGNING_KEYS": []}, "it must be a list of non-empty strings, the newest first."),
        ({"SIGNING_KEYS": "key"}, "it must be a list of non-empty strings"),
        ({"SIGNING_KEYS": ["key", ""]}, "it must be a list of non-empty strings"),
        ({"RETENTION": 5}, 'RETENTION is 5; it must be a mapping such as {"succeeded": 3600}.'),
        ({"RETENTION": {"done": 5}}, "'done' is no final state: use cancelled, failed, succeeded."),
        ({"RETENTION": {"running": 5}}, "'running' is no final state"),
        ({"RETENTION": {"failed": -1}}, "for 'failed' it must be seconds or a timedelta"),
        ({"RETENTION": {"failed": None}}, "for 'failed' it must be seconds or a timedelta"),
    ],
)
def test_faults_are_named(configure, given: dict[Any, Any], message: str) -> None:
    """One sentence: which option, which value, what it must be."""
    (fault,) = faults(given)
    assert message in fault
    configure(**{str(key): value for key, value in given.items()})
    with pytest.raises(ImproperlyConfigured, match=r'^TASKS\["default"\]\["OPTIONS"\]: '):
        load("default")


def test_all_faults_are_told_at_once() -> None:
    """The system check lists them all."""
    assert len(list(faults({"LEASE": 0, "DBB": 1, "PREFIX": ""}))) == 3


def test_sound_options_have_no_faults() -> None:
    """Every option has an accepted value."""
    given = {
        "URL": "rediss://user:password@host:6380/3?ssl_cert_reqs=none",
        "CACHE": "default",
        "DB": 0,
        "CLUSTER": ["10.0.0.2:6379"],
        "PREFIX": "shop-1",
        "ENQUEUE_ON_COMMIT": False,
        "DATABASE": "other",
        "DURABLE": True,
        "STORE_IN_TESTS": True,
        "USERNAME": "jobs",
        "PASSWORD": "secret",
        "MIDDLEWARE": ["shop.jobs.Timing"],
        "MAIL_BACKEND": "shop.mail.Backend",
        "SENSITIVE": [],
        "SIGNING_KEYS": ("a",),
        "TIMEOUT": 0.05,
        "MAX_PAYLOAD": 1,
        "MAX_RESULT": 1,
        "LEASE": 1,
        "MAX_ATTEMPTS": 1,
        "MAX_RECOVERIES": 0,
        "UNKNOWN_TASK_GRACE": 0,
        "RETENTION": {"succeeded": 0.5, "failed": timedelta(days=3650)},
        "RETENTION_COUNT": 0,
        "LIMITS": {"mail": 5},
        "LEDGER_RETENTION": timedelta(days=1),
    }
    assert set(given) == set(NAMES)
    assert list(faults(given)) == []


@pytest.mark.parametrize(
    "given",
    [
        {"URL": "redis:/user:hunter2@host"},
        {"SIGNING_KEYS": "hunter2"},
        {"SIGNING_KEYS": ["hunter2", None]},
        {"PASSWORD": ["hunter2"]},
    ],
)
def test_faults_show_no_secrets(configure, given: dict[str, Any]) -> None:
    """Messages end up in logs and on screens."""
    assert all("hunter2" not in fault for fault in faults(given))


def test_options_show_no_secrets(configure) -> None:
    """Neither do they when they are printed, as in a traceback with its variables."""
    configure(URL="redis://:hunter2@host", SIGNING_KEYS=["hunter2"], PASSWORD="hunter2")
    assert "hunter2" not in repr(load("default"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hunter2@host:6379/2", "redis://:********@host:6379/2"),
        ("rediss://jobs:hunt@er2@host", "rediss://jobs:********@host"),
        (
            "unix:///run/redis.sock?password=hunter2&db=1",
            "unix:///run/redis.sock?password=********&db=1",
        ),
        ("redis://host:6379/1", "redis://host:6379/1"),
    ],
)
def test_error_reports_hide_the_password_of_a_url(settings, url: str, shown: str) -> None:
    """A page with DEBUG and a mail to ADMINS list the settings; what is used stays as it is."""
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": {"URL": url}}}
    hide_password("default")
    report = ExceptionReporter(None, None, None, None)
    for text in (report.get_traceback_text(), unescape(report.get_traceback_html())):
        assert "hunt" not in text
        assert shown in text
    assert load("default").url == url


def test_unknown_alias_is_told(settings) -> None:
    """The message lists what there is."""
    with pytest.raises(ImproperlyConfigured, match=r"no entry \"mail\"; there is: \['default'\]"):
        load("mail")


@pytest.mark.parametrize("given", [None, [], "URL=redis://h", 5])
def test_options_that_are_no_mapping_are_told(settings, given: object) -> None:
    """A slip in the settings is a clear message, not an AttributeError."""
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": given}}
    with pytest.raises(ImproperlyConfigured, match="OPTIONS"):
        load("default")
