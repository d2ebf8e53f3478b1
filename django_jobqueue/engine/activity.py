"""Read for people what happened in the last hour and day: the counters of minutes and hours."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.client import Pipeline

from django_jobqueue.engine.client import Client
from django_jobqueue.jobs.text import ms_in, text

MINUTES = 60
HOURS = 24
MOST_KEPT = 5_000  # counts of minutes and hours that a process keeps

Counts = Mapping[str, int]  # by event, of all queues together
_Key = tuple[str, str, str, int]  # prefix and epoch of the keys, kind, number

_kept: dict[_Key, Counts] = {}  # of minutes and hours that are over: they don't change any more


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened, by minute and by hour, oldest first; the last one is not over yet."""

    minutes: tuple[Counts, ...]
    hours: tuple[Counts, ...]


def read_activity(client: Client, now: int) -> Activity:
    """Return the counts of the last 60 minutes and 24 hours before `now`, in ms.

    A hash has up to 1,000 fields, however many queues there are.
    """
    minute, hour = now // 60_000, now // 3_600_000
    minutes = _read(client, "minute", range(minute - MINUTES + 1, minute + 1))
    hours = _read(client, "hour", range(hour - HOURS + 1, hour + 1))
    of_hour = minutes[-(minute % 60 + 1) :]  # the maintenance has not added all of them yet
    return Activity(tuple(minutes), (*hours[:-1], total(of_hour)))


def total(counts: Sequence[Counts]) -> Counts:
    """Return the sum of several counts."""
    found: Counter[str] = Counter()
    for one in counts:
        found.update(one)
    return found


def _read(client: Client, kind: str, numbers: range) -> list[Counts]:
    where = client.keys.prefix, str(client.epoch), kind
    missing = [number for number in numbers if (*where, number) not in _kept]

    def ask(pipe: Pipeline) -> None:
        for number in missing:
            pipe.hgetall(client.keys(kind, str(number)))

    fresh = dict(zip(missing, map(_sums, client.read(ask)), strict=True))
    if len(_kept) > MOST_KEPT:
        _kept.clear()
    # The last hour gets its last minutes a moment after its end.
    _kept.update({(*where, n): fresh[n] for n in missing if n < numbers[-1] - 1})
    return [fresh[n] if n in fresh else _kept[(*where, n)] for n in numbers]


def _sums(reply: dict[bytes, bytes] | None) -> Counts:
    found: Counter[str] = Counter()
    for name in reply or ():
        found[text(name.partition(b":")[0])] += ms_in(reply or {}, name)
    return found
