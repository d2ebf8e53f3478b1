"""The settings of requests: `JOBQUEUE_REQUESTS` as a frozen dataclass.

Only this module reads them. checks.py reports their faults.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from django_jobqueue.jobs.job import QUEUE_PATTERN
from django_jobqueue.retry import seconds

SETTING = "JOBQUEUE_REQUESTS"
LONGEST_WAIT = 5.0  # seconds that a caller may hold a thread of the web server
DAY = 86_400.0
YEARS = 10 * 365 * DAY


class Rule(NamedTuple):
    """The allowed values of a setting."""

    be: str
    test: Callable[[Any], object]
    convert: Callable[[Any], Any] = lambda value: value


def _is_number(value: Any, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _integer(low: int, high: int) -> Rule:
    return Rule(
        f"a whole number from {low} to {high:,}",
        lambda v: _is_number(v, int) and low <= v <= high,
    )


def _duration(low: float, high: float) -> Rule:
    return Rule(
        f"seconds or a timedelta from {low:g} to {high:g} s",
        lambda v: _is_number(v, int, float, timedelta) and low <= seconds(v) <= high,
        seconds,
    )


_PATH = Rule(
    "the dotted path of a function, or empty",
    lambda v: isinstance(v, str) and (not v or "." in v.strip(".")),
)


_QUEUE = Rule(
    "1 to 64 letters, digits, '_', '-' or '.'",
    lambda v: isinstance(v, str) and QUEUE_PATTERN.fullmatch(v),
)


def _setting(rule: Rule, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of requests; in the settings, their names are in capitals."""

    # Seconds that a submission waits for a quick job, to answer with its result.
    wait_for: float = _setting(_duration(0, LONGEST_WAIT), 1.5)
    # Threads of a process that may wait at the same time; other callers don't wait.
    waiters: int = _setting(_integer(0, 1000), 2)
    submissions_per_minute: int = _setting(_integer(0, 1_000_000), 10)  # of one person
    open_requests: int = _setting(_integer(0, 1_000_000), 20)  # of one person, at once
    retention: float = _setting(_duration(60, YEARS), 90 * DAY)  # seconds that an ended one is kept
    file_retention: float = _setting(_duration(60, YEARS), 7 * DAY)
    # Seconds until the mail is sent, if the person has not seen the result by then.
    mail_delay: float = _setting(_duration(0, DAY), 10.0)
    mail_queue: str = _setting(_QUEUE, "default")  # the queue of the mails' jobs
    link_max_age: float = _setting(_duration(60, YEARS), 7 * DAY)  # seconds that a key opens a page
    # A function (request, job_request) -> bool that lets others than the owner see a request.
    may_see: str = _setting(_PATH, "")
    # A function (request) -> str that returns the client's IP address; "": REMOTE_ADDR.
    client_ip: str = _setting(_PATH, "")


RULES: dict[str, Rule] = {each.name.upper(): each.metadata["rule"] for each in fields(Options)}


@cache
def load() -> Options:
    """Return the settings of requests.

    Raises: ImproperlyConfigured, naming the first fault.
    """
    given = raw()
    for fault in faults(given):
        raise ImproperlyConfigured(f"{SETTING}: {fault}")
    return Options(**{key.lower(): RULES[key].convert(value) for key, value in given.items()})


def raw() -> Any:
    """Return the setting unchanged; a valid one is a mapping."""
    return getattr(settings, SETTING, {})


def faults(given: Any) -> Iterator[str]:
    """Yield one sentence for each fault in the setting."""
    if not isinstance(given, Mapping):
        yield f"it is {given!r}; it must be a mapping of names and values."
        return
    for key, value in given.items():
        if key not in RULES:
            close = get_close_matches(str(key).upper(), RULES, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(RULES)}."
            yield f"unknown name {key!r}. {hint}"
        elif not RULES[key].test(value):
            yield f"{key} is {value!r}; it must be {RULES[key].be}."


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        load.cache_clear()


setting_changed.connect(_settings_changed)
