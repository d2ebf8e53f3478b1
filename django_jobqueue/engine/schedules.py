"""Write schedules (register, fire, record missed times, run now, forget), and read them.

schedules/timetable.py decides which times are due.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.jobs import new_job_words
from django_jobqueue.jobs.duplicate import stored_at
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.text import ms_in, ms_of, text

CHUNK = 100  # schedules per call at most: a running script blocks the whole server
UNSEEN_MS = 30 * 86_400_000  # a schedule not registered for this long is forgotten
GONE_MS = 86_400_000  # a scheduler unseen for this long is forgotten, but the last one


class FireReply(StrEnum):
    """The effect of a fire."""

    FIRED = "fired"
    KNOWN = "known"  # the time was handled before, or its rule is not in use
    OVERLAP = "overlap"  # skipped: the schedule's last job is not final


class Registered(NamedTuple):
    """The reply to a registration of schedules. Times in ms, by the server."""

    now: int
    since: dict[str, int]  # name → time after which its times are unhandled


class Fired(NamedTuple):
    """The reply to a fire."""

    reply: FireReply
    at: int | None = None  # ms; when the job was stored


class Schedules:
    """Write the schedules of one alias."""

    def __init__(self, client: Client) -> None:
        self._run = client.run

    def register(self, scheduler: str, rules: Mapping[str, str]) -> Registered:
        """Register a scheduler and its schedules, given as rules by name.

        Raises: QueueUnavailable.
        """
        rest, since, now = iter(rules.items()), dict[str, int](), 0
        while (chunk := dict(islice(rest, CHUNK))) or not now:
            words = [word for name, rule in chunk.items() for word in (name, digest(rule))]
            reply = [int(ms) for ms in self._run("register_schedules", words, scheduler=scheduler)]
            now = reply[0]
            since |= zip(chunk, reply[1:], strict=True)
        return Registered(now, since)

    def fire(self, name: str, rule: str, nominal: int, job: Job, *, overlap: str) -> Fired:
        """Store a schedule's job for a nominal time, once for any number of calls.

        Raises: QueueUnavailable.
        """
        reply, *at = self._run(
            "fire",
            new_job_words(job),
            name=name,
            rule=digest(rule),
            nominal=nominal,
            overlap=overlap,
        )
        return Fired(FireReply(text(reply)), int(at[0]) if at else None)

    def record_missed(self, name: str, rule: str, *, since: int, nominal: int, count: int) -> bool:
        """Skip `count` times after `since`, up to `nominal`; return whether they were unhandled."""
        reply = self._run(
            "record_missed", name=name, rule=digest(rule), since=since, nominal=nominal, count=count
        )
        return bool(reply)

    def run_now(self, name: str, job: Job) -> int:
        """Store a job of a schedule outside its timetable; return when it was stored, in ms.

        Raises: QueueUnavailable.
        """
        return stored_at(job, self._run("run_now", new_job_words(job), name=name))

    def forget(self, name: str = "") -> int:
        """Remove the given schedule, and those long unseen; return how many."""
        return int(self._run("forget_schedule", name=name, unseen=UNSEEN_MS, gone=GONE_MS))


def digest(rule: str) -> str:
    """Return the form of a rule that is stored: short, and without white space."""
    return hashlib.sha256(rule.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStats:
    """The history of a schedule. Times in ms; 0: never."""

    nominal_at: int = 0  # of the last fire
    fired_at: int = 0
    job_id: str = ""  # of the last fire, or of the last run by hand
    fired: int = 0
    missed: int = 0
    missed_at: int = 0
    overlapped: int = 0


class ScheduleReader:
    """Read the schedules of one alias for people."""

    def __init__(self, client: Client) -> None:
        self._keys = client.keys
        self._read = client.read

    def stats(self, names: Sequence[str]) -> dict[str, ScheduleStats]:
        """Return the stats of schedules by name; leave out unknown ones."""

        def ask(pipe: Pipeline) -> None:
            for name in names:
                pipe.hgetall(self._keys("schedule", name))

        replies = self._read(ask) if names else []
        return {name: _stats(reply) for name, reply in zip(names, replies, strict=True) if reply}

    def seen_at(self) -> int | None:
        """Return when a scheduler was last seen, in ms; None if none was."""

        def ask(pipe: Pipeline) -> None:
            pipe.zrange(self._keys("schedulers"), 0, 0, desc=True, withscores=True)

        (newest,) = self._read(ask)
        return ms_of(newest[0][1]) if newest else None


def _stats(reply: dict[bytes, bytes]) -> ScheduleStats:
    return ScheduleStats(
        nominal_at=ms_in(reply, b"nominal"),
        fired_at=ms_in(reply, b"fired_at"),
        job_id=text(reply.get(b"job", b"")),
        fired=ms_in(reply, b"fired"),
        missed=ms_in(reply, b"missed"),
        missed_at=ms_in(reply, b"missed_at"),
        overlapped=ms_in(reply, b"overlapped"),
    )
