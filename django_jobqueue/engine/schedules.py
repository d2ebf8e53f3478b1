"""The writer of what schedules do: look, fire, miss, run now, forget.

Which times are due is not decided here. Next: worker/scheduler.py calls it, after timetable.py.
"""

import hashlib
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from django_jobqueue.engine.client import Connection
from django_jobqueue.engine.jobs import NewJob

CHUNK = 100  # schedules of one look: a script holds up the whole server while it runs
UNSEEN_MS = 30 * 86_400_000  # a schedule that nobody looked at for so long is forgotten
GONE_MS = 86_400_000  # a scheduler not seen for so long is forgotten, but the last one

FIRED, KNOWN, OVERLAP = "fired", "known", "overlap"


class Look(NamedTuple):
    """What a look at schedules told. Times in ms, by the server."""

    now: int
    since: dict[str, int]  # name → after this its times are not handled yet


class Fire(NamedTuple):
    """What became of a time."""

    verdict: str  # fired, known (handled before, or not in use) or overlap
    at: int | None = None  # ms; when the job was stored


class Schedules:
    """Write what the schedules of one alias do."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call

    def look(self, scheduler: str, rules: Mapping[str, str]) -> Look:
        """Show that a scheduler is there, with the rules of its schedules by name.

        Raises: QueueUnavailable.
        """
        rest, since, now = iter(rules.items()), dict[str, int](), 0
        while (chunk := dict(islice(rest, CHUNK))) or not now:
            words = [word for name, rule in chunk.items() for word in (name, digest(rule))]
            reply = [int(ms) for ms in self._call("look", words, scheduler=scheduler)]
            now = reply[0]
            since |= zip(chunk, reply[1:], strict=True)
        return Look(now, since)

    def fire(self, name: str, rule: str, nominal: int, job: NewJob, *, overlap: str) -> Fire:
        """Store a schedule's job for one of its times, once whoever calls and however often.

        Raises: QueueUnavailable.
        """
        verdict, *at = self._call(
            "fire",
            job.arguments(),
            name=name,
            rule=digest(rule),
            nominal=nominal,
            overlap=overlap,
        )
        return Fire(verdict.decode(), int(at[0]) if at else None)

    def miss(self, name: str, rule: str, *, since: int, nominal: int, count: int) -> bool:
        """Pass over the times up to one that came after `since`; tell whether that was news."""
        reply = self._call(
            "miss", name=name, rule=digest(rule), since=since, nominal=nominal, count=count
        )
        return bool(reply)

    def run_now(self, name: str, job: NewJob) -> int:
        """Store a job of a schedule outside its timetable; return when it was stored, in ms.

        Raises: QueueUnavailable.
        """
        return int(self._call("run_now", job.arguments(), name=name))

    def forget(self, name: str = "") -> int:
        """Remove what is known of a schedule that is no more, and of those not seen for long."""
        return int(self._call("forget_schedule", name=name, unseen=UNSEEN_MS, gone=GONE_MS))


def digest(rule: str) -> str:
    """Return a rule as it stands in the keys: short, and without white space."""
    return hashlib.sha256(rule.encode()).hexdigest()[:16]
