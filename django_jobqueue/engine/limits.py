"""Write what limits need beside the jobs themselves, and read who holds the places of a key.

The jobs are parked and admitted by the scripts that claim, finish and end them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.engine.jobs import CHUNK
from django_jobqueue.engine.scripts import Argument
from django_jobqueue.jobs.job import Job
from django_jobqueue.jobs.states import State
from django_jobqueue.jobs.text import ms_of, raw, text

LOOKED_AT = 100  # keys that one call of the maintenance looks at
SHOWN = 5  # jobs that people are told of as holders of a key


class KeyStats(NamedTuple):
    """A key at one instant, as a job that waits for it sees it."""

    name: str
    most: int  # jobs that may run; 0: any number
    held: int  # those that run
    holders: list[str]  # ids of the first of them
    before: int  # jobs that wait, and come first
    free_at: int  # ms, when the next one may start if it waits for a rate; 0: it does not


class Limits:
    """Write the limits of one alias."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.run

    def set_limits(self, numbers: Mapping[str, str]) -> None:
        """Store the numbers of the limits of tasks, by path, and those of the limited queues.

        They count for waiting jobs too. Of a task without limits nothing is stored, unless it had
        some.
        """
        key = self._client.keys("limits")
        (stored,) = self._client.read(lambda pipe: pipe.hgetall(key))
        known = set(map(text, stored or ()))
        words: list[Argument] = []
        for task, its in sorted(numbers.items()):
            if its or task in known:
                words += task, its
        queues = "".join(f"{name} {most} " for name, most in self._client.options.limits.items())
        for start in range(0, len(words) or 1, 2 * CHUNK):
            self._run("set_limits", words[start : start + 2 * CHUNK], queues=queues)

    def admit(self, limit: int = LOOKED_AT) -> int:
        """Queue jobs that wait for keys with room, as maintenance; return how many keys it saw."""
        return int(self._run("admit", limit=limit))


def read_key(client: Client, job: Job) -> KeyStats | None:
    """Return the key for which a job waits; None if it waits for none."""
    name, keys = job.parked, client.keys
    if job.state is not State.WAITING or not name:
        return None

    def ask(pipe: Pipeline) -> None:
        pipe.hget(keys("limits"), raw(job.task))
        pipe.zcard(keys("places", name))
        pipe.zrange(keys("places", name), 0, SHOWN - 1)
        pipe.zrank(keys("parked", name), job.id)
        pipe.zscore(keys("rates"), raw(name))

    noted, held, holders, rank, at = client.read(ask)
    most = _most(job.limits, name, noted)
    return KeyStats(
        name=name,
        most=most,
        held=held or 0,
        holders=list(map(text, holders or ())),
        before=rank or 0,
        free_at=0 if at is None else ms_of(at) or 0,
    )


def _most(limits: Sequence[str], name: str, noted: bytes | None) -> int:
    """Return how many jobs of a key may run, as lua/shared/rare/parking.lua does."""
    numbers = None if noted is None else text(noted).split()
    for place, word in enumerate(limits):
        number, _, key = word.partition(":")
        if key == name:
            if numbers is not None and not word.startswith("="):
                number = numbers[place] if place < len(numbers) else "0"
            return int("0" + re.sub(r"\D.*", "", number.removeprefix("=")))
    return 0


def queue_limit(stored: bytes | None, queue: str) -> int:
    """Return how many jobs of a queue may run, by `limits` of the meta key; 0: any number."""
    words = text(stored or b"").split()
    most = dict(zip(words[::2], words[1::2], strict=False)).get(queue, "")
    return int(most) if most.isdecimal() else 0
