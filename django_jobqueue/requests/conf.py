"""The settings of requests: `JOBQUEUE_REQUESTS` as a frozen dataclass.

Only this module reads them. checks.py reports their faults.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from django_jobqueue.conf import duration, faults_by, integer, must, option, rules_of
from django_jobqueue.jobs.job import QUEUE_PATTERN

SETTING = "JOBQUEUE_REQUESTS"
LONGEST_WAIT = 5.0  # seconds that a caller may hold a thread of the web server
DAY = 86_400.0
YEARS = 10 * 365 * DAY


_PATH = must(
    "the dotted path of a function, or empty",
    lambda v: isinstance(v, str) and (not v or "." in v.strip(".")),
)
_QUEUE = must(
    "1 to 64 letters, digits, '_', '-' or '.'",
    lambda v: isinstance(v, str) and QUEUE_PATTERN.fullmatch(v),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of requests; in the settings, their names are in capitals."""

    # Seconds that a submission waits for a quick job, to answer with its result.
    wait_for: float = option(duration(0, LONGEST_WAIT), 1.5)
    # Threads of a process that may wait at the same time; other callers don't wait.
    waiters: int = option(integer(0, 1000), 2)
    submissions_per_minute: int = option(integer(0, 1_000_000), 10)  # of one person
    open_requests: int = option(integer(0, 1_000_000), 20)  # of one person, at once
    retention: float = option(duration(60, YEARS), 90 * DAY)  # seconds that an ended one is kept
    file_retention: float = option(duration(60, YEARS), 7 * DAY)
    # Seconds until the mail is sent, if the person has not seen the result by then.
    mail_delay: float = option(duration(0, DAY), 10.0)
    mail_queue: str = option(_QUEUE, "default")  # the queue of the mails' jobs
    link_max_age: float = option(duration(60, YEARS), 7 * DAY)  # seconds that a key opens a page
    # A function (request, job_request) -> bool that lets others than the owner see a request.
    may_see: str = option(_PATH, "")
    # A function (request) -> str that returns the client's IP address; "": REMOTE_ADDR.
    client_ip: str = option(_PATH, "")


RULES = rules_of(Options)


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
    return faults_by(RULES, given, "setting")


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        load.cache_clear()


setting_changed.connect(_settings_changed)
