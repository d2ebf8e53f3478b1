"""All configuration of one alias: `TASKS[alias]["OPTIONS"]` as a frozen dataclass.

The only module that reads Django's settings for the queue. Reads them lazily: nothing
happens at import, and `override_settings(TASKS=…)` works.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_jobqueue.jobs.job import FINAL, MAX_RECOVERIES
from django_jobqueue.retry import seconds

DEFAULT_RETENTION = {"succeeded": 86_400.0, "failed": 14 * 86_400.0, "cancelled": 86_400.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one alias; the names in settings are these in capitals."""

    # redis://, rediss:// or unix://; wins over CACHE.
    url: str | None = field(default=None, repr=False)
    cache: str | None = None  # alias of CACHES to take host, login and TLS from
    db: int | None = None  # database number; None: 1, or the number in URL
    # True: that server is a node of a Redis Cluster; or "host:port" of further nodes to ask.
    cluster: bool | tuple[str, ...] = False
    prefix: str = "djq"  # first part of every key
    enqueue_on_commit: bool = True  # default of our @task
    database: str = "default"  # whose commit is waited for
    # The first signs, all verify; by default SECRET_KEY and its fallbacks.
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    # Further parts of names whose arguments people are not shown: see jobs/redaction.py.
    sensitive: tuple[str, ...] = ()
    max_payload: int = 65_536  # bytes of JSON arguments
    max_result: int = 262_144  # bytes of JSON result
    lease: float = 30.0  # seconds a claim lasts without renewal
    max_recoveries: int = MAX_RECOVERIES  # runs lost with their worker before a job fails
    unknown_task_grace: float = 3600.0  # seconds a job of an unknown task is kept waiting
    retention: Mapping[str, float]  # seconds a job is kept, per final state
    retention_count: int = 10_000  # most jobs kept per queue and final state

    @property
    def cluster_nodes(self) -> tuple[str, ...]:
        """Return the nodes to ask besides the configured one."""
        return self.cluster if isinstance(self.cluster, tuple) else ()

    @property
    def lease_ms(self) -> int:
        return int(self.lease * 1000)


NAMES = {option.name.upper(): option.name for option in fields(Options)}
_INTEGERS = {
    "DB": (0, 1_000_000),
    "MAX_PAYLOAD": (1, 64 * 1024 * 1024),
    "MAX_RESULT": (1, 64 * 1024 * 1024),
    "MAX_RECOVERIES": (0, 1000),
    "RETENTION_COUNT": (0, 100_000_000),
}
_SECONDS = {"LEASE": (1.0, 600.0), "UNKNOWN_TASK_GRACE": (0.0, 30 * 86_400.0)}
_STRINGS = ("URL", "CACHE", "PREFIX", "DATABASE")


def load(alias: str) -> Options:
    """Return the options of an alias.

    Raises: ImproperlyConfigured, naming the first fault.
    """
    given = raw(alias)
    for fault in faults(given):
        raise ImproperlyConfigured(f'TASKS["{alias}"]["OPTIONS"]: {fault}')
    values = {NAMES[key]: _convert(key, value) for key, value in given.items()}
    values.setdefault("retention", DEFAULT_RETENTION)
    if not values.get("signing_keys"):
        values["signing_keys"] = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return Options(**values)


def raw(alias: str) -> Any:
    """Return `OPTIONS` as it stands in the settings; a mapping, if it is right."""
    try:
        params = getattr(settings, "TASKS", {})[alias]
    except KeyError:
        raise ImproperlyConfigured(
            f'TASKS has no entry "{alias}"; there is: {sorted(getattr(settings, "TASKS", {}))}.'
        ) from None
    return params.get("OPTIONS", {})


def faults(given: Any) -> Iterator[str]:
    """Yield one sentence for each thing that is wrong with `OPTIONS`."""
    if not isinstance(given, Mapping):
        yield f"it is {given!r}; it must be a mapping of option names and values."
        return
    for key, value in given.items():
        if key not in NAMES:
            close = get_close_matches(str(key).upper(), NAMES, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(NAMES)}."
            yield f"unknown option {key!r}. {hint}"
        elif message := _fault(key, value):
            yield f"{key} is {_shown(key, value)}; {message}"


def _fault(key: str, value: Any) -> str:
    if key in _INTEGERS:
        low, high = _INTEGERS[key]
        ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if ok else f"it must be a whole number from {low} to {high}."
    if key in _SECONDS:
        return _seconds_fault(value, *_SECONDS[key])
    if key in _STRINGS:
        return _string_fault(key, value)
    if key == "ENQUEUE_ON_COMMIT":
        return "" if isinstance(value, bool) else "it must be True or False."
    return _OTHERS[key](value)


def _seconds_fault(value: Any, low: float, high: float) -> str:
    number = isinstance(value, int | float | timedelta) and not isinstance(value, bool)
    ok = number and low <= seconds(value) <= high
    return "" if ok else f"it must be seconds or a timedelta from {low:g} to {high:g} s."


def _string_fault(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "it must be a non-empty string."
    if key == "PREFIX" and any(char in value for char in "{}: \n\t"):
        return "it can't contain braces, colons or white space."
    if key == "URL" and not value.startswith(("redis://", "rediss://", "unix://")):
        return "it must start with redis://, rediss:// or unix://."
    return ""


def _cluster_fault(value: Any) -> str:
    nodes = isinstance(value, list | tuple) and value and all(map(_is_node, value))
    ok = isinstance(value, bool) or nodes
    return "" if ok else 'it must be True, False or a list such as ["10.0.0.2:6379"].'


def _keys_fault(value: Any) -> str:
    ok = isinstance(value, list | tuple) and all(isinstance(k, str) and k for k in value)
    return "" if ok and value else "it must be a list of non-empty strings, the newest first."


def _words_fault(value: Any) -> str:
    ok = isinstance(value, list | tuple) and all(isinstance(w, str) and w for w in value)
    return "" if ok else 'it must be a list of parts of names, such as ["passwort"].'


def _is_node(value: Any) -> bool:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return bool(host) and port.isdigit() and int(port) < 65_536


def _retention_fault(value: Any) -> str:
    if not isinstance(value, Mapping):
        return 'it must be a mapping such as {"succeeded": 3600}.'
    for state, kept in value.items():
        if state not in FINAL:
            return f"{state!r} is no final state: use {', '.join(sorted(FINAL))}."
        if message := _seconds_fault(kept, 0, 10 * 365 * 86_400):
            return f"for {state!r} {message}"
    return ""


_OTHERS: Mapping[str, Callable[[Any], str]] = {
    "CLUSTER": _cluster_fault,
    "RETENTION": _retention_fault,
    "SENSITIVE": _words_fault,
    "SIGNING_KEYS": _keys_fault,
}


def _shown(key: str, value: Any) -> str:
    """Return a value for a message; what may hold a secret is not shown."""
    return "wrong" if key in {"URL", "SIGNING_KEYS"} else repr(value)


def _convert(key: str, value: Any) -> Any:
    if key in _SECONDS:
        return seconds(value)
    if key in {"SENSITIVE", "SIGNING_KEYS"} or (key == "CLUSTER" and isinstance(value, list)):
        return tuple(value)
    if key == "RETENTION":
        return DEFAULT_RETENTION | {state: seconds(kept) for state, kept in value.items()}
    return value
