"""The firing of one alias's schedules: read the server's clock and enqueue the jobs that are due.

No state here must survive: Redis has the nominal times that were fired; the code and the database
have the schedules. Next: engine/schedules.py, where each nominal time is fired once.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from django_jobqueue.engine import Engine
from django_jobqueue.engine.schedules import FireReply
from django_jobqueue.exceptions import (
    OwnerMismatch,
    QueueUnavailable,
    SchemaMismatch,
    ServerUnfit,
)
from django_jobqueue.jobs.text import one_line
from django_jobqueue.schedules.cron import from_ms, to_ms
from django_jobqueue.schedules.spec import ScheduleSpec
from django_jobqueue.schedules.stored import Listing
from django_jobqueue.schedules.timetable import Timetable

logger = logging.getLogger("django_jobqueue.worker")

LOOK_EVERY = 5.0  # seconds between two passes, at most
FAR_FUTURE = datetime.max.replace(tzinfo=UTC)
REDIS_ERRORS = (QueueUnavailable, ServerUnfit, OwnerMismatch, SchemaMismatch)


class SchedulePass:
    """One scheduler's repeated pass over all schedules of its alias."""

    def __init__(
        self, engine: Engine, scheduler: str, latest: Callable[[], Listing | None]
    ) -> None:
        """Store the scheduler's id; `latest` returns the schedules that were read last."""
        self._engine = engine
        self._scheduler = scheduler
        self._latest = latest
        self._faults: dict[str, str] = {}  # name → the fault that was logged last
        self._told: tuple[object, ...] | None = None  # what the last lines about the listing said
        # By name. While timetable and since are unchanged, nothing is due before the next time.
        self._nexts: dict[str, tuple[Timetable, int, datetime]] = {}

    def run(self) -> float:
        """Fire the schedules that are due; return the seconds until the next pass.

        Raises: QueueUnavailable, ServerUnfit, OwnerMismatch, SchemaMismatch.
        """
        found = self._latest()
        listing = found or Listing((), ())
        specs = {spec.name: spec for spec in listing.specs}
        rules = {name: spec.rule for name, spec in specs.items()}
        look = self._engine.schedules.register(self._scheduler, rules)
        now, faults, nexts = from_ms(look.now), dict(listing.faults), list[datetime]()
        for name, spec in specs.items():
            try:
                nexts.append(self._fire_due(spec, look.since[name], now))
            except REDIS_ERRORS:
                raise
            except Exception as error:  # one schedule must not stop the others
                faults[name] = f"{type(error).__name__}: {error}"
        self._log_faults(faults)
        self._nexts = {name: self._nexts[name] for name in specs if name in self._nexts}
        if found is not None:
            self._log_listing(found)
        return min([LOOK_EVERY, *((at - now).total_seconds() for at in nexts)])

    def _fire_due(self, spec: ScheduleSpec, since: int, now: datetime) -> datetime:
        """Fire the nominal times of a schedule that are due; return the next one."""
        table, known = spec.timetable, self._nexts.get(spec.name)
        if known is not None and known[:2] == (table, since) and known[2] > now:
            return known[2]
        due = table.due(from_ms(since), now)
        if due.passed is not None:
            self._record_missed(spec, since, due.passed, due.missed)
        for nominal in due.fires:
            self._fire(spec, nominal)
        next_at = next(iter(table.next(now, 1)), FAR_FUTURE)
        self._nexts[spec.name] = table, since, next_at
        return next_at

    def _record_missed(self, spec: ScheduleSpec, since: int, passed: datetime, count: int) -> None:
        is_news = self._engine.schedules.record_missed(
            spec.name,
            spec.rule,
            since=since,
            nominal=to_ms(passed),
            count=count,
        )
        if is_news:
            logger.warning(
                "Schedule %s has missed %d of its times, the last of %s: catch-up is %r.",
                spec.name,
                count,
                _text(passed),
                spec.timetable.catch_up,
            )

    def _fire(self, spec: ScheduleSpec, nominal: datetime) -> None:
        """Enqueue the job of a nominal time, unless another scheduler has done so."""
        backend, nominal_ms = spec.task.get_backend(), to_ms(nominal)
        prepared = backend.prepare_scheduled(
            spec.task, spec.args, spec.kwargs, schedule=spec.name, nominal_at=nominal_ms
        )
        rule = spec.rule
        fired = self._engine.schedules.fire(
            spec.name, rule, nominal_ms, prepared.job, overlap=spec.overlap
        )
        if fired.reply is FireReply.OVERLAP:
            logger.info(
                "Schedule %s leaves out %s: the job of its last fire is not final.",
                spec.name,
                _text(nominal),
            )
        if fired.at is None:
            return
        logger.info(
            "Fired schedule=%s nominal=%s late=%.3f s job=%s task=%s queue=%s",
            spec.name,
            _text(nominal),
            (fired.at - nominal_ms) / 1000,
            prepared.job.id,
            prepared.job.task,
            prepared.job.queue,
        )
        backend.note_stored([prepared], [fired.at])

    def _log_listing(self, listing: Listing) -> None:
        """Log what is fired, and what is not, at the start and after each change."""
        told = tuple(spec.timetable for spec in listing.specs), listing.left_out
        if told == self._told:
            return
        self._told = told
        for spec in listing.specs:
            next_at = self._nexts[spec.name][2] if spec.name in self._nexts else FAR_FUTURE
            when = "never again" if next_at == FAR_FUTURE else f"next {_text(next_at)}"
            logger.info("Schedule %s of %s: %s", one_line(spec.name), spec.task.module_path, when)
        for name, why in listing.left_out:
            logger.info("Schedule %s is not fired here: %s.", one_line(name), why)
        if not listing.specs and not listing.left_out:
            logger.warning(
                "There is no schedule: none in the module `tasks` of an app in INSTALLED_APPS, and "
                "none in the admin."
            )

    def _log_faults(self, faults: dict[str, str]) -> None:
        """Log the faults of single schedules, once per change."""
        for name, fault in faults.items():
            if self._faults.get(name) != fault:
                logger.error("Schedule %s is not fired: %s", name, fault)
        for name in self._faults.keys() - faults.keys():
            logger.warning("Schedule %s is in order again.", name)
        self._faults = faults


def _text(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="milliseconds")
