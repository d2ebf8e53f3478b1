"""The load: which jobs there are, drawn from the seed, and what must become of each."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django_jobqueue.engine import Engine
from django_jobqueue.flow import limits, unique
from django_jobqueue.jobs import payload
from django_jobqueue.jobs.job import Job, new_id
from django_jobqueue.jobs.states import State
from tests.chaos import tasks
from tests.chaos.features import NARROW, OF_JOBS, Feature, options_of, tags_of
from tests.chaos.options import Options

QUEUES = ("default", "mail", "reports", "nightly")
PRIORITIES = (0, 0, 0, -10, 10, 50)
POISON = 0.005  # share of the jobs
HORIZON = 20.0  # seconds; the latest time for which a job is scheduled
ENDLESS = 30.0  # seconds of a run that is not meant to reach its end
SEVERAL = 0.2  # share of the calls whose jobs have two features


class Kind(StrEnum):
    NOOP = "no-op"
    RETRY = "retry"
    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    LONG = "long"
    OVERRUN = "overrun"  # takes as long as its time-out, or longer
    CALLED_OFF = "called off"  # cancelled while it runs
    POISON = "poison"


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
    features: frozenset[Feature] = frozenset()
    lane: int = 0  # names its keys

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.number,) if self.argument is None else (self.number, self.argument)

    @property
    def tags(self) -> tuple[str, ...]:
        return tags_of(self.lane, self.kind) if Feature.TAGS in self.features else ()

    @property
    def called(self) -> Any:
        """Return the task with all that `using` takes for this job."""
        given: dict[str, Any] = {"queue_name": self.queue, "priority": self.priority}
        if self.after is not None:
            given["run_after"] = timedelta(seconds=self.after)
        given |= options_of(self.features, self.lane, self.kind, self.expires)
        return self.task.using(**given)


def plan(jobs: int, options: Options, rng: random.Random) -> list[list[Planned]]:
    """Return so many jobs as calls, each of one job or of several no-ops."""
    calls: list[list[Planned]] = []
    number, given = 0, Counter[Feature]()
    details: dict[str, Any]
    for kind, count in shares(jobs).items():
        while count > 0:
            size = min(count, rng.choice((1, 1, 3, 20))) if kind is Kind.NOOP else 1
            details = {"queue": rng.choice(QUEUES), "priority": rng.choice(PRIORITIES)}
            details |= _details(kind, options, rng) | _features(given, size, options, rng)
            if "expires" in details:  # after its time
                details["expires"] += details.get("after", 0)
            calls.append([Planned(number=number + n, kind=kind, **details) for n in range(size)])
            number, count = number + size, count - size
    return calls


def _features(
    given: Counter[Feature], size: int, options: Options, rng: random.Random
) -> dict[str, Any]:
    """Return what fewest jobs have been given so far, sometimes with another feature."""
    rarest = min(OF_JOBS, key=lambda one: given[one])
    found = frozenset([rarest])
    if rarest is not Feature.PLAIN and rng.random() < SEVERAL:
        found |= {rng.choice(OF_JOBS[1:])}
    given.update(dict.fromkeys(found, size))
    details: dict[str, Any] = {"features": found, "lane": rng.randrange(lanes(options))}
    if Feature.NARROW in found:
        details["queue"] = NARROW
    if Feature.EXPIRES in found:
        details["expires"] = rng.uniform(0.001, horizon(options) / 4)
    return details


def lanes(options: Options) -> int:
    return max(2, options.jobs // 200)


def horizon(options: Options) -> float:
    return min(HORIZON, options.seconds / 2)


def shares(jobs: int) -> dict[Kind, int]:
    """Return how many jobs there are of each kind.

    A fifth each; half of the long ones are to be ended, and poison is taken from the no-ops.
    """
    counts = dict.fromkeys(Kind, jobs // 5)
    counts |= {Kind.LONG: jobs // 10, Kind.OVERRUN: jobs // 20, Kind.CALLED_OFF: jobs // 20}
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
    limits.fill(job, planned.called)
    job.seal(engine.signer, engine.options.max_payload)
    return job


def number_of(engine: Engine, job_id: str, path: str, data: bytes) -> int:
    """Return the number of the planned job that a stored one came from."""
    arguments = payload.load_call(engine.signer.verify(job_id, path, data))[0]
    return number_in(arguments)


def number_in(arguments: Sequence[Any]) -> int:
    """Return the number among the arguments of a call; what a callback is told stands before it."""
    return next(one for one in arguments if isinstance(one, int))


def by_number(calls: Iterable[Iterable[Planned]]) -> dict[int, Planned]:
    return {planned.number: planned for call in calls for planned in call}


def _details(kind: Kind, options: Options, rng: random.Random) -> dict[str, Any]:
    latest = horizon(options)
    if kind is Kind.RETRY:
        return stumbling(tasks.stumble, rng.choice((1, 1, 1, 2, 2, 99)))
    if kind is Kind.SCHEDULED:
        return {"task": tasks.quick, "after": rng.uniform(0.1, latest)}
    if kind is Kind.CANCELLED:
        # As far ahead as a fault may keep the call to cancel away, and further.
        after, cancel_after = latest + rng.uniform(0, latest), rng.uniform(0, latest / 4)
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
    return {"task": tasks.quick}


def stumbling(task: Any, fails: int) -> dict[str, Any]:
    """Return what becomes of a job that fails in so many attempts."""
    most = task.max_attempts or 1
    failed = fails >= most
    return {
        "task": task,
        "argument": fails,
        "state": State.FAILED if failed else State.SUCCEEDED,
        "attempts": most if failed else fails + 1,
    }


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
