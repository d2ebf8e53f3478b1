"""Read how an alias is doing, in a bounded number of reads however many queues and jobs it has.

Next: problems.py says what is wrong.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.apps import apps
from django.db import Error
from django.db.models import Count, Min

from django_jobqueue.engine import Engine
from django_jobqueue.engine.activity import Activity, Counts, read_activity, total
from django_jobqueue.engine.queue_reader import MOST_QUEUES, QueueStats, Sums
from django_jobqueue.engine.schedules import ScheduleStats
from django_jobqueue.engine.server import ServerStats, read_server
from django_jobqueue.engine.workers import WorkerStats
from django_jobqueue.jobs.states import State
from django_jobqueue.ledger.lag import Lag, lag
from django_jobqueue.ledger.table import has_rows
from django_jobqueue.schedules.stored import current

MOST_SCHEDULES = 500  # schedules whose fires are looked at
WAITING = (State.QUEUED, State.WAITING)  # the states of jobs that could run


class OpenRequests(NamedTuple):
    """What people have asked for, and wait for."""

    many: int
    since: datetime | None  # of the oldest


@dataclass(frozen=True, kw_only=True)
class Overview:
    """An alias at one instant."""

    alias: str
    lease_ms: int
    queues: list[QueueStats]  # all, or 200 of many
    queue_count: int
    sums: Sums | None  # of many queues
    workers: list[WorkerStats]
    server: ServerStats
    activity: Activity
    schedules: dict[str, ScheduleStats]  # of the schedules that are fired, by name
    schedule_faults: tuple[tuple[str, str], ...]  # name, and why it is not fired
    ledger: Lag | None  # None: it is not used
    requests: OpenRequests | None  # None: the app is not installed
    database_fault: str  # why the last four are not known; empty: they are

    @cached_property
    def live(self) -> list[WorkerStats]:
        """Return the workers that are seen and claim jobs."""
        return [one for one in self.workers if one.is_live(self.server.now, self.lease_ms)]

    @property
    def has_many_queues(self) -> bool:
        return self.queue_count > MOST_QUEUES

    @property
    def slots(self) -> int:
        return sum(one.slots for one in self.live)

    @property
    def busy_slots(self) -> int:
        return sum(len(one.running) for one in self.live)

    @cached_property
    def last_hour(self) -> Counts:
        return total(self.activity.minutes)

    @cached_property
    def last_day(self) -> Counts:
        return total(self.activity.hours)

    def count(self, state: State) -> int | None:
        """Return the jobs of all queues in a state; of many, when they were summed last."""
        if not self.has_many_queues:
            return sum(one.counts[state] for one in self.queues)
        return self.sums.counts[state] if self.sums else None

    def serving(self, queue: str) -> list[WorkerStats]:
        return [one for one in self.live if one.serves(queue)]

    def by_urgency(self) -> list[QueueStats]:
        """Return the queues, those first whose jobs wait longest, then those with most jobs."""
        return sorted(
            self.queues,
            key=lambda one: (one.oldest_at or self.server.now, -sum(one.counts.values()), one.name),
        )


def read_overview(engine: Engine) -> Overview:
    """Return how an alias is doing.

    Raises: QueueUnavailable.
    """
    seen, client = engine.inspector, engine.client
    server = read_server(client)
    count = seen.count_queues()
    known = _Known()
    try:
        known = _from_database(engine)
    except Error as error:  # the rest is known without it
        known = _Known(fault=str(error))
    return Overview(
        alias=engine.alias,
        lease_ms=engine.options.lease_ms,
        queues=seen.queue_stats(seen.busy_queues()),
        queue_count=count,
        sums=seen.sums() if count > MOST_QUEUES else None,
        workers=seen.workers(),
        server=server,
        activity=read_activity(client, server.now),
        schedules=known.schedules or {},
        schedule_faults=known.faults,
        ledger=known.ledger,
        requests=known.requests,
        database_fault=known.fault,
    )


class _Known(NamedTuple):
    """What the database tells."""

    schedules: dict[str, ScheduleStats] | None = None
    faults: tuple[tuple[str, str], ...] = ()
    ledger: Lag | None = None
    requests: OpenRequests | None = None
    fault: str = ""


def _from_database(engine: Engine) -> _Known:
    listing = current(engine.alias)
    names = [spec.name for spec in listing.specs[:MOST_SCHEDULES]]
    found = engine.inspector.schedules.stats(names)
    stats = {name: found.get(name, ScheduleStats()) for name in names}
    has_ledger = has_rows(engine.options.database, engine.alias)
    return _Known(stats, listing.faults, lag(engine) if has_ledger else None, _requests(engine))


def _requests(engine: Engine) -> OpenRequests | None:
    """Return the open requests of an alias; their app is optional, so it is asked for by name."""
    if not apps.is_installed("django_jobqueue.requests"):
        return None
    model = apps.get_model("django_jobqueue_requests", "JobRequest")
    rows = model._default_manager.filter(finished_at=None, alias=engine.alias)
    found = rows.aggregate(many=Count("pk"), oldest=Min("created_at"))
    return OpenRequests(found["many"], found["oldest"])
