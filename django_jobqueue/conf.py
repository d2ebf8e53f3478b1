"""The configuration of one alias: `TASKS[alias]["OPTIONS"]` as a frozen dataclass.

Only this module reads the options. It reads them lazily: nothing happens at import,
and `override_settings(TASKS=…)` works. requests/conf.py makes its settings of the same rules.
Next: engine/locate.py makes a pool of URL or CACHE.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_jobqueue.jobs.job import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_MAX_RECOVERIES,
    QUEUE_PATTERN,
)
from django_jobqueue.jobs.states import FINAL
from django_jobqueue.retry import seconds

DEFAULT_RETENTION = {"succeeded": 86_400.0, "failed": 14 * 86_400.0, "cancelled": 86_400.0}
# The failures of an outage are what a history is for.
DEFAULT_RETENTION_COUNT = {"succeeded": 10_000, "failed": 100_000, "cancelled": 10_000}


class Rule(NamedTuple):
    """The allowed values of an option."""

    fault: Callable[[Any], str]  # returns the fault of a value; "": none
    convert: Callable[[Any], Any] = lambda value: value
    is_secret: bool = False  # errors don't show the value


def option(rule: Rule, default: Any = MISSING) -> Any:
    """Return a field of a dataclass of options."""
    return field(default=default, repr=not rule.is_secret, metadata={"rule": rule})


def _is_number(value: Any, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def must(be: str, test: Callable[[Any], object], **more: Any) -> Rule:
    return Rule(lambda value: "" if test(value) else f"it must be {be}.", **more)


def integer(low: int, high: int) -> Rule:
    return must(
        f"a whole number from {low} to {high}", lambda v: _is_number(v, int) and low <= v <= high
    )


def duration(low: float, high: float) -> Rule:
    return must(
        f"seconds or a timedelta from {low:g} to {high:g} s",
        lambda v: _is_number(v, int, float, timedelta) and low <= seconds(v) <= high,
        convert=seconds,
    )


def rules_of(options: Any) -> dict[str, Rule]:
    """Return the rules of a dataclass of options, by their names in the settings."""
    return {each.name.upper(): each.metadata["rule"] for each in fields(options)}


def faults_by(rules: Mapping[str, Rule], given: Any, kind: str) -> Iterator[str]:
    """Yield one sentence for each fault in what the settings give."""
    if not isinstance(given, Mapping):
        yield f"it is {given!r}; it must be a mapping of {kind} names and values."
        return
    for key, value in given.items():
        if key not in rules:
            close = get_close_matches(str(key).upper(), rules, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(rules)}."
            yield f"unknown {kind} {key!r}. {hint}"
        elif message := rules[key].fault(value):
            shown = "wrong" if rules[key].is_secret else repr(value)
            yield f"{key} is {shown}; {message}"


def _texts(be: str, test: Callable[[str], object] = bool, **more: Any) -> Rule:
    return must(
        f"a list of {be}",
        lambda v: isinstance(v, list | tuple) and all(isinstance(t, str) and test(t) for t in v),
        convert=tuple,
        **more,
    )


_URL_PASSWORD = re.compile(r"(://[^/?#@]*:)[^/?#]*(?=@)|(?<=password=)[^&#]*")
_TEXT = must("a non-empty string", lambda v: isinstance(v, str) and v)


def _text(fault: str, is_wrong: Callable[[str], object], **more: Any) -> Rule:
    return Rule(lambda v: _TEXT.fault(v) or (fault if is_wrong(v) else ""), **more)


def _is_node(value: Any) -> bool:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65_536


def _by_state(value: Any, rule: Rule) -> str:
    """Return the fault of a mapping of final states to values of `rule`."""
    if not isinstance(value, Mapping):
        return 'it must be a mapping such as {"succeeded": 3600}.'
    for state, given in value.items():
        if state not in FINAL:
            return f"{state!r} is no final state: use {', '.join(sorted(FINAL))}."
        if message := rule.fault(given):
            return f"for {state!r} {message}"
    return ""


def _is_limit(item: tuple[Any, Any]) -> bool:
    name, most = item
    is_name = isinstance(name, str) and QUEUE_PATTERN.fullmatch(name)
    return bool(is_name) and _is_number(most, int) and 1 <= most <= 1_000_000


_URL = _text(
    "it must start with redis://, rediss:// or unix://.",
    lambda v: not v.startswith(("redis://", "rediss://", "unix://")),
    is_secret=True,
)
_BOOLEAN = must("True or False", lambda v: isinstance(v, bool))
_SECRET = _text("", lambda _: False, is_secret=True)
_PREFIX = _text(
    "it can't contain braces, colons or white space.", lambda v: any(c in v for c in "{}: \n\t")
)
_CLUSTER = must(
    'True, False or a list such as ["10.0.0.2:6379"]',
    lambda v: isinstance(v, bool) or (isinstance(v, list | tuple) and v and all(map(_is_node, v))),
    convert=lambda v: v if isinstance(v, bool) else tuple(v),
)
_KEYS = must(
    "a list of non-empty strings, the newest first",
    lambda v: v and isinstance(v, list | tuple) and all(isinstance(k, str) and k for k in v),
    convert=tuple,
    is_secret=True,
)
_KEPT = duration(0, 10 * 365 * 86_400)
_RETENTION = Rule(
    lambda v: _by_state(v, _KEPT),
    lambda v: DEFAULT_RETENTION | {state: seconds(kept) for state, kept in v.items()},
)
_COUNT = integer(0, 100_000_000)
_COUNTS = DEFAULT_RETENTION_COUNT.items()
_RETENTION_COUNT = Rule(
    lambda v: _by_state(v, _COUNT) if isinstance(v, Mapping) else _COUNT.fault(v),
    lambda v: {state: v.get(state, n) if isinstance(v, Mapping) else v for state, n in _COUNTS},
)


_LIMITS = must(
    'a mapping of queue names to whole numbers from 1 to 1,000,000, such as {"mail": 5}',
    lambda v: isinstance(v, Mapping) and all(map(_is_limit, v.items())),
    convert=dict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one alias; in the settings, their names are in capitals."""

    url: str | None = option(_URL, None)  # takes precedence over CACHE
    cache: str | None = option(_TEXT, None)  # alias of CACHES to take host, login and TLS from
    username: str | None = option(_TEXT, None)  # of the Redis user; with URL and with CACHE
    password: str | None = option(_SECRET, None)
    db: int | None = option(integer(0, 1_000_000), None)  # None: 1, or the number in URL
    # True: the server is a node of a Redis Cluster. A list names further nodes as "host:port".
    cluster: bool | tuple[str, ...] = option(_CLUSTER, False)
    prefix: str = option(_PREFIX, "djq")  # first part of every key
    # The default of `@task(on_commit=…)`, which is True; if given, also that of libraries' tasks.
    enqueue_on_commit: bool | None = option(_BOOLEAN, None)
    database: str = option(_TEXT, "default")  # enqueues wait for its commit; has the ledger
    durable: bool = option(_BOOLEAN, False)  # whether tasks are durable that don't say it
    # Whether a test run may store jobs; else a test that forgot to capture them would.
    store_in_tests: bool = option(_BOOLEAN, False)
    # Dotted paths of classes that see each enqueue and each run, the outermost first.
    middleware: tuple[str, ...] = option(
        _texts('dotted paths of classes, such as ["app.jobs.Timing"]', lambda p: "." in p), ()
    )
    # Dotted path of the backend that sends what QueuedEmailBackend stores; unused with MAILERS.
    mail_backend: str = option(
        _text("it must be the dotted path of a class.", lambda v: "." not in v),
        "django.core.mail.backends.smtp.EmailBackend",
    )
    # The first key signs, all keys verify. Default: SECRET_KEY and its fallbacks.
    signing_keys: tuple[str, ...] = option(_KEYS, ())
    # Further parts of names; arguments with such names are hidden: see jobs/redaction.py.
    sensitive: tuple[str, ...] = option(_texts('parts of names, such as ["passwort"]'), ())
    # Seconds that a caller waits for Redis, for a connection and for a reply; it tries twice.
    timeout: float = option(duration(0.05, 60), 1.0)
    max_payload: int = option(integer(1, 64 * 1024 * 1024), 65_536)  # bytes of JSON arguments
    max_result: int = option(integer(1, 64 * 1024 * 1024), 262_144)  # bytes of JSON result
    lease: float = option(duration(1, 600), 30.0)  # seconds a claim lasts without renewal
    # Attempts of a job whose task sets none, such as one of a library.
    max_attempts: int = option(integer(1, 1_000_000), DEFAULT_MAX_ATTEMPTS)
    # Runs of a job that may be lost with their worker before the job fails.
    max_recoveries: int = option(integer(0, 1000), DEFAULT_MAX_RECOVERIES)
    # Seconds that a job with an unknown task waits before it fails.
    unknown_task_grace: float = option(duration(0, 30 * 86_400), 3600.0)
    retention: Mapping[str, float] = option(_RETENTION)  # seconds a job is kept, per final state
    # Jobs kept per queue, per final state; in the settings one number stands for all states.
    retention_count: Mapping[str, int] = option(_RETENTION_COUNT)
    # Jobs that run at once, by the name of a limited queue.
    limits: Mapping[str, int] = field(default_factory=dict, metadata={"rule": _LIMITS})
    ledger_retention: float = option(_KEPT, 14 * 86_400.0)  # seconds that a final row is kept

    @property
    def cluster_nodes(self) -> tuple[str, ...]:
        """Return the nodes to try besides the configured server."""
        return self.cluster if isinstance(self.cluster, tuple) else ()

    @property
    def lease_ms(self) -> int:
        return int(self.lease * 1000)


NAMES = {each.name.upper(): each.name for each in fields(Options)}
_RULES = rules_of(Options)


def load(alias: str) -> Options:
    """Return the options of an alias.

    Raises: ImproperlyConfigured, naming the first fault.
    """
    given = raw(alias)
    for fault in faults(given):
        raise ImproperlyConfigured(f'TASKS["{alias}"]["OPTIONS"]: {fault}')
    values = {NAMES[key]: _RULES[key].convert(value) for key, value in given.items()}
    values.setdefault("retention", DEFAULT_RETENTION)
    values.setdefault("retention_count", DEFAULT_RETENTION_COUNT)
    if not values.get("signing_keys"):
        values["signing_keys"] = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return Options(**values)


def is_test_run() -> bool:
    """Return whether Django's test runner, or pytest-django, has set up its test environment."""
    tests = sys.modules.get("django.test.utils")
    return hasattr(getattr(tests, "_TestState", None), "saved_data")


def raw(alias: str) -> Any:
    """Return `OPTIONS` unchanged from the settings; valid options are a mapping."""
    try:
        params = getattr(settings, "TASKS", {})[alias]
    except KeyError:
        raise ImproperlyConfigured(
            f'TASKS has no entry "{alias}"; there is: {sorted(getattr(settings, "TASKS", {}))}.'
        ) from None
    return params.get("OPTIONS", {})


class _HiddenUrl(str):
    """A URL whose repr, as in error reports and their mails, hides its password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_URL_PASSWORD.sub(r"\1********", str(self)))


def hide_password(alias: str) -> None:
    """Hide a password in the URL of an alias from the error reports that list the settings.

    Django itself masks values by their names, such as PASSWORD.
    """
    given = raw(alias)
    if isinstance(given, dict) and isinstance(given.get("URL"), str):
        given["URL"] = _HiddenUrl(given["URL"])


def faults(given: Any) -> Iterator[str]:
    """Yield one sentence for each fault in `OPTIONS`."""
    return faults_by(_RULES, given, "option")
