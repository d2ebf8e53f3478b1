"""Fire the schedules of one alias: look at the server's clock, and store what is due.

Holds nothing that can't be lost: what was fired stands in Redis, what is to be fired in the code
and the database. Next: engine/schedules.py, where each time is fired once.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from django_jobqueue.engine import Engine
from django_jobqueue.engine.jobs import NewJob
from django_jobqueue.engine.schedules import FIRED, OVERLAP
from django_jobqueue.exceptions import (
    OwnerMismatch,
    QueueUnavailable,
    SchemaMismatch,
    ServerUnfit,
)
from django_jobqueue.schedules.cron import from_ms, to_ms
from django_jobqueue.schedules.spec import Entry
from django_jobqueue.schedules.stored import Listing
from django_jobqueue.schedules.timetable import Timetable

logger = logging.getLogger("django_jobqueue.worker")

LOOK_EVERY = 5.0  # seconds, at most, between two looks
NEVER = datetime.max.replace(tzinfo=UTC)
OF_REDIS = (QueueUnavailable, ServerUnfit, OwnerMismatch, SchemaMismatch)


class Firing:
    """One scheduler's way to fire."""

    def __init__(
        self, engine: Engine, scheduler: str, latest: Callable[[], Listing | None]
    ) -> None:
        """`scheduler` is an id; `latest` returns the schedules as they were read last."""
        self._engine = engine
        self._scheduler = scheduler
        self._latest = latest
        self._faults: dict[str, str] = {}  # name → what was told last
        # By name: as long as the first two are the same, nothing is due before the next time.
        self._nexts: dict[str, tuple[Timetable, int, datetime]] = {}

    def run(self) -> float:
        """Fire what is due; return in how many seconds to come again.

        Raises: QueueUnavailable, ServerUnfit, OwnerMismatch, SchemaMismatch.
        """
        listing = self._latest() or Listing((), ())
        entries = {entry.name: entry for entry in listing.entries}
        rules = {name: entry.timetable.times.rule for name, entry in entries.items()}
        look = self._engine.schedules.look(self._scheduler, rules)
        now, faults, nexts = from_ms(look.now), dict(listing.faults), list[datetime]()
        for name, entry in entries.items():
            try:
                nexts.append(self._attend(entry, look.since[name], now))
            except OF_REDIS:
                raise
            except Exception as error:  # of one schedule: it must not stop the others
                faults[name] = f"{type(error).__name__}: {error}"
        self._tell(faults)
        self._nexts = {name: self._nexts[name] for name in entries if name in self._nexts}
        return min([LOOK_EVERY, *((at - now).total_seconds() for at in nexts)])

    def _attend(self, entry: Entry, since: int, now: datetime) -> datetime:
        """Fire what is due; return the next time."""
        table, known = entry.timetable, self._nexts.get(entry.name)
        if known is not None and known[:2] == (table, since) and known[2] > now:
            return known[2]
        due = table.due(from_ms(since), now)
        if due.passed is not None:
            self._miss(entry, since, due.passed, due.missed)
        for nominal in due.fires:
            self._fire(entry, nominal)
        next_at = next(iter(table.next(now, 1)), NEVER)
        self._nexts[entry.name] = table, since, next_at
        return next_at

    def _miss(self, entry: Entry, since: int, passed: datetime, count: int) -> None:
        is_news = self._engine.schedules.miss(
            entry.name,
            entry.timetable.times.rule,
            since=since,
            nominal=to_ms(passed),
            count=count,
        )
        if is_news:
            logger.warning(
                "Schedule %s has missed %d of its times, the last of %s: catch-up is %r.",
                entry.name,
                count,
                _text(passed),
                entry.timetable.catch_up,
            )

    def _fire(self, entry: Entry, nominal: datetime) -> None:
        backend = entry.task.get_backend()
        store = partial(self._store, entry, nominal)
        backend.store_by(
            store,
            entry.task,
            entry.args,
            entry.kwargs,
            schedule=entry.name,
            nominal_at=to_ms(nominal),
        )

    def _store(self, entry: Entry, nominal: datetime, job: NewJob) -> int | None:
        """Store the job of a time, unless another scheduler has; return when, in ms."""
        found = self._engine.schedules.fire(
            entry.name, entry.timetable.times.rule, to_ms(nominal), job, overlap=entry.overlap
        )
        if found.verdict == FIRED and found.at is not None:
            logger.info(
                "Fired schedule=%s nominal=%s late=%.3f s job=%s task=%s queue=%s",
                entry.name,
                _text(nominal),
                (found.at - to_ms(nominal)) / 1000,
                job.id,
                job.task,
                job.queue,
            )
        elif found.verdict == OVERLAP:
            logger.info(
                "Schedule %s leaves out %s: the job of its last fire is not final.",
                entry.name,
                _text(nominal),
            )
        return found.at

    def _tell(self, faults: dict[str, str]) -> None:
        """Log what is wrong with single schedules, once per change."""
        for name, fault in faults.items():
            if self._faults.get(name) != fault:
                logger.error("Schedule %s is not fired: %s", name, fault)
        for name in self._faults.keys() - faults.keys():
            logger.warning("Schedule %s is in order again.", name)
        self._faults = faults


def _text(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="milliseconds")
