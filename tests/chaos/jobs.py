"""The load: which jobs there are, drawn from the seed, and what must become of each."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django_jobqueue import Unique
from django_jobqueue.engine import Engine
from django_jobqueue.flow import unique
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.chaos import tasks
from tests.chaos.options import Options

QUEUES = ("default", "mail", "reports", "nightly")
PRIORITIES = (0, 0, 0, -10, 10, 50)
POISON = 0.005  # share of the jobs
HORIZON = 20.0  # seconds; the latest time for which a job is scheduled
ENDLESS = 30.0  # seconds of a run that is not meant to reach its end


class Kind(StrEnum):
    NOOP = "no-op"
    RETRY = "retry"
    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    LONG = "long"
    OVERRUN = "overrun"  # takes as long as its time-out, or longer
    CALLED_OFF = "called off"  # cancelled while it runs
    POISON = "poison"
    EXPIRING = "expiring"  # worthless after a while


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One job of the load."""

    number: int
    kind: Kind
    queue: str
    priority: int
    task: Any = field(repr=False)
    argument: Any = None  # the task's second; None: it has none
    after: float | None = None  # seconds from its enqueue to its due time
    cancel_after: float | None = None  # seconds from its enqueue
    call_off_after: float | None = None  # seconds from its first start
    expires: float | None = None  # seconds from its enqueue
    state: State = State.SUCCEEDED  # its final one
    attempts: int = 1  # at the end

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.number,) if self.argument is None else (self.number, self.argument)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return two tags for each fifth job, which it shares with others."""
        number = self.number
        return () if number % 5 else (f"load:{number % 7}", f"{self.kind}:1".replace(" ", "-"))

    @property
    def unique(self) -> Unique | None:
        """Return the key of each third job: a call that is repeated under another id shares it."""
        return None if self.number % 3 else Unique("number")

    @property
    def called(self) -> Any:
        """Return the task with all that `using` takes for this job."""
        given: dict[str, Any] = {"queue_name": self.queue, "priority": self.priority}
        if self.after is not None:
            given["run_after"] = timedelta(seconds=self.after)
        if self.expires is not None:
            given["expires"] = timedelta(seconds=self.expires)
        if self.tags:
            given["tags"] = self.tags
        if self.unique is not None:
            given["unique"] = self.unique
        return self.task.using(**given)


def plan(options: Options, rng: random.Random) -> list[list[Planned]]:
    """Return the load as calls, each of one job or of several no-ops."""
    calls: list[list[Planned]] = []
    number = 0
    for kind, count in shares(options.jobs).items():
        while count > 0:
            size = min(count, rng.choice((1, 1, 3, 20))) if kind is Kind.NOOP else 1
            queue, priority = rng.choice(QUEUES), rng.choice(PRIORITIES)
            details = _details(kind, options, rng)
            calls.append(
                [
                    Planned(number=number + n, kind=kind, queue=queue, priority=priority, **details)
                    for n in range(size)
                ]
            )
            number, count = number + size, count - size
    rng.shuffle(calls)
    return calls


def shares(jobs: int) -> dict[Kind, int]:
    """Return how many jobs there are of each kind.

    A fifth each; half of the long ones are to be ended; poison and those that expire are taken from
    the no-ops.
    """
    counts = dict.fromkeys(Kind, jobs // 5)
    counts |= {Kind.LONG: jobs // 10, Kind.OVERRUN: jobs // 20, Kind.CALLED_OFF: jobs // 20}
    counts[Kind.EXPIRING] = jobs // 20
    counts[Kind.POISON] = max(1, round(jobs * POISON))
    counts[Kind.NOOP] = 0
    counts[Kind.NOOP] = max(0, jobs - sum(counts.values()))
    return counts


def new_job(engine: Engine, planned: Planned) -> Job:
    """Return what is stored of a job, under an id that its caller knows before it is stored."""
    recoveries = planned.task.max_recoveries
    if recoveries is None:
        recoveries = engine.options.max_recoveries
    job = Job(
        id=new_id(),
        task=planned.task.module_path,
        queue=planned.queue,
        priority=planned.priority,
        delay=None if planned.after is None else timedelta(seconds=planned.after),
        max_attempts=planned.task.max_attempts or engine.options.max_attempts,
        max_recoveries=recoveries,
        tags=planned.tags,
        expires="" if planned.expires is None else f"+{int(planned.expires * 1000)}",
        args=list(planned.arguments),
    )
    unique.fill(job, planned.called)
    job.seal(engine.signer, engine.options.max_payload)
    return job


def number_of(engine: Engine, job_id: str, path: str, data: bytes) -> int:
    """Return the number of the planned job that a stored one came from."""
    return int(payload.load_call(engine.signer.verify(job_id, path, data))[0][0])


def by_number(calls: list[list[Planned]]) -> dict[int, Planned]:
    return {planned.number: planned for planned in _all(calls)}


def _all(calls: list[list[Planned]]) -> Iterator[Planned]:
    for call in calls:
        yield from call


def _details(kind: Kind, options: Options, rng: random.Random) -> dict[str, Any]:
    horizon = min(HORIZON, options.seconds / 2)
    if kind is Kind.RETRY:
        fails = rng.choice((1, 1, 1, 2, 2, 99))
        failed = fails >= (tasks.stumble.max_attempts or 1)
        return {
            "task": tasks.stumble,
            "argument": fails,
            "state": State.FAILED if failed else State.SUCCEEDED,
            "attempts": tasks.stumble.max_attempts if failed else fails + 1,
        }
    if kind is Kind.SCHEDULED:
        return {"task": tasks.quick, "after": rng.uniform(0.1, horizon)}
    if kind is Kind.CANCELLED:
        # As far ahead as a fault may keep the call to cancel away, and further.
        after, cancel_after = horizon + rng.uniform(0, horizon), rng.uniform(0, horizon / 4)
        return {"task": tasks.quick, "after": after, "cancel_after": cancel_after}
    if kind in (Kind.LONG, Kind.OVERRUN, Kind.CALLED_OFF):
        return _long(kind, options, rng)
    if kind is Kind.POISON:
        return {
            "task": tasks.kill_process,
            "argument": rng.random() < 0.5,
            "state": State.FAILED,
            "attempts": 0,
        }
    expires = rng.uniform(0.001, horizon / 4) if kind is Kind.EXPIRING else None
    return {"task": tasks.quick, "expires": expires}


def _long(kind: Kind, options: Options, rng: random.Random) -> dict[str, Any]:
    if kind is Kind.OVERRUN:
        return {"task": tasks.overrun, "argument": _how(rng, 2 * tasks.TIMEOUT)}
    if kind is Kind.CALLED_OFF:
        call_off_after = rng.uniform(0, 1)
        return {"task": tasks.stay, "argument": _how(rng, 2), "call_off_after": call_off_after}
    return {"task": tasks.sleep, "argument": options.lease * 0.2 * 15 ** rng.random()}


def _how(rng: random.Random, seconds: float) -> tuple[float, bool]:
    """Return how long a run stays, about as long as it may or for ever, and whether it is deaf."""
    return rng.choice((rng.uniform(0, seconds), ENDLESS)), rng.random() < 0.5
